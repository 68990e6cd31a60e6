// SPDX-License-Identifier: MIT
import type { World } from '../../trace/world.ts'
import type { Domain } from './domain.ts'
import type { IommuDevice } from './driver.ts'
import { PasidArray } from './pasid-array.ts'

/** Linux's iommu_group: the unit of isolation. */
export class IommuGroup {
  readonly world: World
  readonly id: number
  readonly devices: IommuDevice[] = []
  /** What a fault on a PASID, or on the RID (0), leads to. */
  readonly pasidArray: PasidArray = new PasidArray()
  domain: Domain | undefined = undefined
  defaultDomain: Domain | undefined = undefined
  blockingDomain: Domain | undefined = undefined
  /** Who owns its DMA, user space's context for instance. */
  owner: object | undefined = undefined
  ownerCount = 0
  /** Devices being reset. */
  recoveryCount = 0

  constructor(world: World, id: number) {
    this.world = world
    this.id = id
  }
}
