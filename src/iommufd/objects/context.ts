// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { Device } from '../../kernel/iommu/device.ts'
import type { World } from '../../trace/world.ts'
import type { OpenFile } from '../files.ts'
import { IgroupTable } from './device/igroup.ts'
import type { IoasObject } from './ioas/ioas.ts'
import { type IommufdObject, ObjectTable } from './object-table.ts'
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
  /** VFIO's ioctls serve a container of devices without an IOMMU. */
  noIommu = false
  /** What the running command makes: finished after its answer is out, else undone. */
  #created: IommufdObject | undefined = undefined

  constructor(file: OpenFile, world: World, devices: DeviceDirectory, wakeLatencyNanos: number) {
    this.file = file
    this.world = world
    this.devices = devices
    this.wakeLatencyNanos = wakeLatencyNanos
  }

  /** Calls of ioctls that are not built, by number. */
  readonly unbuilt: Map<number, number> = new Map()

  countUnbuilt(number: number): void {
    this.unbuilt.set(number, (this.unbuilt.get(number) ?? 0) + 1)
  }

  /** Drafts the object that the running command makes. */
  create<T extends IommufdObject>(object: T): T {
    assert(this.#created === undefined, 'one command makes one object')
    this.#created = this.objects.draft(object)
    return object
  }

  /** The command succeeded and its answer is out. */
  finalizeCreated(): void {
    const object = this.#created
    if (object === undefined) return
    this.#created = undefined
    this.objects.finalize(object)
  }

  abortCreated(): void {
    const object = this.#created
    if (object === undefined) return
    this.#created = undefined
    this.objects.abort(object)
  }
}
