// SPDX-License-Identifier: MIT
import type { World } from '../../trace/world.ts'
import type { Device } from './device.ts'
import type { IommuDriver } from './driver.ts'

/** Probing and group formation (`spec/01` §1.2b): one a machine. */
export class IommuCore {
  readonly world: World

  constructor(world: World) {
    this.world = world
  }

  /** Puts the device behind the driver's unit and into its group, in the group's current or default domain. */
  probe(_device: Device, _driver: IommuDriver): void {}

  release(_device: Device): void {}
}
