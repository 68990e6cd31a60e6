// SPDX-License-Identifier: MIT
import { EEXIST, EINVAL, ENOMEM } from '../../../base/errno.ts'
import { toBigint } from '../../../base/u64.ts'
import type { DriverVdevice, IommuDevice } from '../../../kernel/iommu/driver.ts'
import type { VdeviceAlloc } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import type { DeviceObject } from '../device/device.ts'
import { getDevice, getViommu } from '../lookup.ts'
import { IommufdObject, type ObjectTable, OBJECT_VDEVICE } from '../object-table.ts'
import type { ViommuObject } from './viommu.ts'

/**
 * A device as the guest of a vIOMMU knows it. Holds the vIOMMU and, for a short time only, the device: when the device
 * goes, so does this, and its id is never used again (`spec/02` §1, tombstone).
 */
export class VdeviceObject extends IommufdObject implements DriverVdevice {
  readonly viommu: ViommuObject
  readonly object: DeviceObject
  readonly virtIdHi: number
  readonly virtIdLo: number
  readonly #objects: ObjectTable
  /** Known to the vIOMMU, and to its driver. */
  #added = false
  #started = false

  constructor(
    objects: ObjectTable,
    viommu: ViommuObject,
    device: DeviceObject,
    virtIdHi: number,
    virtIdLo: number,
  ) {
    super(OBJECT_VDEVICE)
    this.#objects = objects
    this.viommu = viommu
    this.object = device
    this.virtIdHi = virtIdHi
    this.virtIdLo = virtIdLo
    viommu.users++
    device.waitCount++
    device.vdevice = this
  }

  get device(): IommuDevice {
    return this.object.device
  }

  /** EEXIST, and the driver's. */
  start(): void {
    this.viommu.addVdevice(this, this.#virtId)
    this.#added = true
    this.viommu.driver.vdeviceInit?.(this)
    this.#started = true
  }

  /** The device goes. */
  deviceGone(): void {
    this.#objects.bury(this)
  }

  destroy(): void {
    if (this.#started) this.viommu.driver.vdeviceDestroy?.(this)
    if (this.#added) this.viommu.removeVdevice(this.#virtId)
    this.object.vdevice = undefined
    this.object.waitCount--
    this.viommu.users--
  }

  get #virtId(): bigint {
    return toBigint(this.virtIdHi, this.virtIdLo)
  }
}

/** IOMMU_VDEVICE_ALLOC, checks in the order of `spec/02` §8. */
export function vdeviceAlloc(context: Context, command: VdeviceAlloc): void {
  const viommu = getViommu(context, command.viommu_id)
  const device = getDevice(context, command.dev_id)
  if (device.device.driver !== viommu.unit) throw EINVAL
  if (device.vdevice !== undefined) throw EEXIST
  if (context.world.failpoints.hit('alloc_vdevice')) throw ENOMEM
  const { virt_id_hi, virt_id_lo } = command
  const vdevice = context.create(new VdeviceObject(context.objects, viommu, device, virt_id_hi, virt_id_lo))
  vdevice.start()
  command.out_vdevice_id = vdevice.id
}
