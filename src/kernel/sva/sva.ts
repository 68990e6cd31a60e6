// SPDX-License-Identifier: MIT
import type { World } from '../../trace/world.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import type { Device } from '../iommu/device.ts'
import type { Mm } from '../mm/mm.ts'

/** Linux's iommu_sva: one mm on one device's PASID. */
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

/** Shared virtual addressing (`spec/01` §4.1): one a machine, because PASIDs are global. */
export class Sva {
  readonly world: World
  constructor(world: World) {
    this.world = world
  }
  bind(device: Device, mm: Mm): SvaHandle {
    return new SvaHandle(device, mm)
  }
  unbind(_handle: SvaHandle): void {}
  getPasid(_handle: SvaHandle): number {
    return 0
  }
}
