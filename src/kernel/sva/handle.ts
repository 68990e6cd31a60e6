// SPDX-License-Identifier: MIT
import { AttachHandle } from '../iommu/attach-handle.ts'
import type { Device } from '../iommu/device.ts'
import type { Mm } from '../mm/mm.ts'

/** Linux's iommu_sva: one address space on one device's PASID. Who binds again shares it. */
export class SvaHandle extends AttachHandle {
  readonly device: Device
  readonly mm: Mm
  users = 1

  constructor(device: Device, mm: Mm) {
    super()
    this.device = device
    this.mm = mm
  }
}
