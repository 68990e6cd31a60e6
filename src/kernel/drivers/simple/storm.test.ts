// SPDX-License-Identifier: MIT
import { driverStorm } from '../conformance-storm.suite.ts'
import { SIMPLE } from './model.suite.ts'

driverStorm(SIMPLE)
