// SPDX-License-Identifier: MIT
import { type SimpleIommuOptions, simpleConfig } from '../../../hardware/iommus/simple/config.ts'
import { SimpleIommu } from '../../../hardware/iommus/simple/unit.ts'
import { Rig as DriverRig, type RigOptions as DriverRigOptions } from '../rig.suite.ts'
import { SimpleDriver, type SimpleDriverOptions } from './driver.ts'

export { type FakeFunction, MappingHandler, unmapPages } from '../rig.suite.ts'

export interface RigOptions extends DriverRigOptions {
  readonly unit?: SimpleIommuOptions
  readonly driver?: Partial<SimpleDriverOptions>
}

/** A `simple` unit, its driver, and engines behind it. */
export class Rig extends DriverRig<SimpleIommu, SimpleDriver> {
  constructor(options: RigOptions = {}) {
    super(options, ({ world, memory, frames }) => {
      const name = 'iommu0'
      const unit = new SimpleIommu(world, { name, memory, config: simpleConfig(options.unit) })
      const { interrupts } = unit
      const driver = new SimpleDriver(world, { name, unit, interrupts, memory, frames, ...options.driver })
      return { unit, driver }
    })
  }
}
