// SPDX-License-Identifier: MIT
import type { Model } from '../model.suite.ts'
import { Rig } from './rig.suite.ts'
import { vtdDeviceOf } from './vtd-device.ts'

export const VTD: Model = {
  name: 'vtd',
  answersWithPasid: true,
  create: (options = {}) => {
    const { interruptNanos = 1000, workNanos, waitingMax = 0, commands, priRequests, policy } = options
    const { pasidBits = 20, ats = true, privateData = false } = options
    return new Rig({
      ...options,
      unit: {
        pasidBits,
        ats,
        pri: ats,
        privateData,
        pageRequestsMax: waitingMax,
        latencies: { interrupt: interruptNanos },
      },
      driver: {
        ...(workNanos === undefined ? {} : { workLatencyNanos: workNanos }),
        ...(priRequests === undefined ? {} : { priRequests }),
        ...(policy === undefined ? {} : { policy }),
        queues: commands === undefined ? {} : { commands },
      },
    })
  },
  faultUsers: (rig) => vtdDeviceOf(rig.device).faultUsers,
}
