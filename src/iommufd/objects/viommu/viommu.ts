// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EEXIST, EOPNOTSUPP } from '../../../base/errno.ts'
import type {
  DriverVdevice,
  DriverViommu,
  IommuDevice,
  IommuDriver,
  MmapRegion,
  ViommuPort,
} from '../../../kernel/iommu/driver.ts'
import type { HwptPaging } from '../hwpt/hwpt.ts'
import { IommufdObject, OBJECT_VIOMMU } from '../object-table.ts'
import type { MmapRegions } from './mmap-regions.ts'

/** A queue that events of one type go to. */
export interface EventSink {
  readonly eventType: number
  report(payload: Uint8Array): void
}

/**
 * A guest's IOMMU, on the page table that translates the guest's memory (`spec/02` §8). Holds that page table; its
 * vdevices, event queues, hardware queues, nested page tables and mapped pages hold it.
 */
export class ViommuObject extends IommufdObject implements ViommuPort {
  readonly paging: HwptPaging
  /** The driver of the unit that it is a part of: devices behind others do not fit. */
  readonly unit: IommuDriver
  readonly viommuType: number
  readonly #regions: MmapRegions
  /** By the guest's 64-bit id. */
  readonly #vdevices: Map<bigint, DriverVdevice> = new Map()
  readonly #sinks: Map<number, EventSink> = new Map()
  #driver: DriverViommu | undefined = undefined

  constructor(paging: HwptPaging, unit: IommuDriver, viommuType: number, regions: MmapRegions) {
    super(OBJECT_VIOMMU)
    this.paging = paging
    this.unit = unit
    this.viommuType = viommuType
    this.#regions = regions
    paging.users++
  }

  get driver(): DriverViommu {
    assert(this.#driver !== undefined, `vIOMMU ${this.id} has no driver yet`)
    return this.#driver
  }

  start(driver: DriverViommu): void {
    this.#driver = driver
  }

  destroy(): void {
    this.#driver?.free()
    this.paging.users--
  }

  /** EEXIST: the guest's id is taken. */
  addVdevice(vdevice: DriverVdevice, virtId: bigint): void {
    if (this.#vdevices.has(virtId)) throw EEXIST
    this.#vdevices.set(virtId, vdevice)
  }

  removeVdevice(virtId: bigint): void {
    this.#vdevices.delete(virtId)
  }

  hasSink(type: number): boolean {
    return this.#sinks.has(type)
  }

  /** One queue a type. */
  addSink(sink: EventSink): void {
    this.#sinks.set(sink.eventType, sink)
  }

  removeSink(sink: EventSink): void {
    this.#sinks.delete(sink.eventType)
  }

  findDevice(virtIdHi: number, virtIdLo: number): IommuDevice | undefined {
    for (const vdevice of this.#vdevices.values())
      if (vdevice.virtIdLo === virtIdLo && vdevice.virtIdHi === virtIdHi) return vdevice.device
    return undefined
  }

  findVdevice(device: IommuDevice): DriverVdevice | undefined {
    for (const vdevice of this.#vdevices.values()) if (vdevice.device === device) return vdevice
    return undefined
  }

  reportEvent(type: number, payload: Uint8Array): void {
    const sink = this.#sinks.get(type)
    if (sink === undefined) throw EOPNOTSUPP
    sink.report(payload)
  }

  allocMmap(firstFrame: number, pages: number): MmapRegion {
    return this.#regions.add(firstFrame, pages, this)
  }

  freeMmap(region: MmapRegion): void {
    this.#regions.remove(region)
  }
}
