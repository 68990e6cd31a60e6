// SPDX-License-Identifier: MIT
import { type VtdOptions, vtdConfig } from '../../../hardware/iommus/vtd/config.ts'
import { VtdUnit } from '../../../hardware/iommus/vtd/unit.ts'
import { Rig as DriverRig, type RigOptions as DriverRigOptions } from '../rig.suite.ts'
import { VtdDriver, type VtdDriverOptions } from './driver.ts'

export { type FakeFunction, MappingHandler, unmapPages } from '../rig.suite.ts'

export interface RigOptions extends DriverRigOptions {
  readonly unit?: VtdOptions
  readonly driver?: Partial<VtdDriverOptions>
}

/** A VT-d unit, its driver, and engines behind it. */
export class Rig extends DriverRig<VtdUnit, VtdDriver> {
  constructor(options: RigOptions = {}) {
    super(options, ({ world, memory, frames }) => {
      const name = 'iommu0'
      const unit = new VtdUnit(world, { name, memory, config: vtdConfig(options.unit) })
      const { interrupts } = unit
      const driver = new VtdDriver(world, { name, unit, interrupts, memory, frames, ...options.driver })
      return { unit, driver }
    })
  }
}
