// SPDX-License-Identifier: MIT
import type { Model } from '../model.suite.ts'
import { Rig } from './rig.suite.ts'
import { simpleDeviceOf } from './simple-device.ts'

export const SIMPLE: Model = {
  name: 'simple',
  answersWithPasid: false,
  create: (options = {}) => {
    const { interruptNanos = 1000, workNanos, waitingMax, commands, priRequests, policy } = options
    const { pasidBits = 20, ats = true, privateData = false } = options
    return new Rig({
      ...options,
      unit: { pasidBits, ats, privateData, latencies: { interrupt: interruptNanos } },
      driver: {
        ...(workNanos === undefined ? {} : { workLatencyNanos: workNanos }),
        ...(priRequests === undefined ? {} : { priRequests }),
        ...(policy === undefined ? {} : { policy }),
        rings: {
          ...(waitingMax === undefined ? {} : { pageRequests: waitingMax + 1 }),
          ...(commands === undefined ? {} : { commands }),
        },
      },
    })
  },
  faultUsers: (rig) => simpleDeviceOf(rig.device).faultUsers,
}
