// SPDX-License-Identifier: MIT
import type { Device } from '../../kernel/iommu/device.ts'
import type { World } from '../../trace/world.ts'
import type { OpenFile } from '../files.ts'
import { IgroupTable } from './device/igroup.ts'
import type { IoasObject } from './ioas/ioas.ts'
import { type IommufdObject, ObjectTable } from './object-table.ts'
import { MmapRegions } from './viommu/mmap-regions.ts'
import { ACCOUNT_USER, type AccountMode } from './ioas/pages.ts'

/** Finds the machine's devices by name. */
export interface DeviceDirectory {
  find(name: string): Device | undefined
}

/** One open /dev/iommu: its objects, and what its functions need of the machine. */
export class Context {
  readonly world: World
  readonly devices: DeviceDirectory
  readonly objects: ObjectTable = new ObjectTable()
  readonly igroups: IgroupTable = new IgroupTable()
  /** Virtual nanoseconds from a queued fault to the step of whoever waits for it. */
  readonly wakeLatencyNanos: number
  /** What pinned pages are charged to when the mapper has no CAP_IPC_LOCK. */
  accountMode: AccountMode = ACCOUNT_USER
  /** The open file. Fault descriptors and bound devices hold it, so that the context outlives its own descriptor. */
  readonly file: OpenFile
  /** The test ABI's machine: set where the mock IOMMU stands behind /dev/iommu. */
  mock: object | undefined = undefined
  /** The IOAS that VFIO's ioctls work on (`spec/02` §10). */
  vfioIoas: IoasObject | undefined = undefined
  /** What mmap(2) on the file shows. */
  readonly mmapRegions: MmapRegions
  /** VFIO's ioctls serve a container of devices without an IOMMU. */
  noIommu = false
  /** How the steps of the running command are undone, and ended. */
  readonly #undo: (() => void)[] = []
  readonly #finish: (() => void)[] = []

  constructor(file: OpenFile, world: World, devices: DeviceDirectory, wakeLatencyNanos: number) {
    this.file = file
    this.world = world
    this.devices = devices
    this.wakeLatencyNanos = wakeLatencyNanos
    this.mmapRegions = new MmapRegions(world.failpoints)
  }

  /** Calls of ioctls that are not built, by number. */
  readonly unbuilt: Map<number, number> = new Map()

  countUnbuilt(number: number): void {
    this.unbuilt.set(number, (this.unbuilt.get(number) ?? 0) + 1)
  }

  /** Drafts an object that the running command makes. */
  create<T extends IommufdObject>(object: T): T {
    const draft = this.objects.draft(object)
    this.onAbort(() => this.objects.abort(draft))
    this.onFinish(() => this.objects.finalize(draft))
    return draft
  }

  /** Undoes a step of the running command when something after it fails, its answer included. The last step goes first. */
  onAbort(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** Ends a step of the running command once it has succeeded and its answer is out. */
  onFinish(finish: () => void): void {
    this.#finish.push(finish)
  }

  /** The command succeeded and its answer is out. */
  finalizeCreated(): void {
    if (this.#undo.length === 0 && this.#finish.length === 0) return
    this.#undo.length = 0
    for (const finish of this.#finish.splice(0)) finish()
  }

  abortCreated(): void {
    this.#finish.length = 0
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo()
  }
}
