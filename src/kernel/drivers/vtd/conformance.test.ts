// SPDX-License-Identifier: MIT
import { svaConformance } from '../conformance-sva.suite.ts'
import { driverConformance } from '../conformance.suite.ts'
import { VTD } from './model.suite.ts'

driverConformance(VTD)
svaConformance(VTD)
