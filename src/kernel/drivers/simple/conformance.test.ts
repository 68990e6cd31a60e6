// SPDX-License-Identifier: MIT
import { svaConformance } from '../conformance-sva.suite.ts'
import { driverConformance } from '../conformance.suite.ts'
import { SIMPLE } from './model.suite.ts'

driverConformance(SIMPLE)
svaConformance(SIMPLE)
