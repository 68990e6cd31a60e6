// SPDX-License-Identifier: MIT
import { driverStorm } from '../conformance-storm.suite.ts'
import { VTD } from './model.suite.ts'

driverStorm(VTD)
