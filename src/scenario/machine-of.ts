// SPDX-License-Identifier: MIT
import { RESPONSE_FAILURE, RESPONSE_INVALID } from '../kernel/iommu/fault.ts'
import type { DeviceConfig, MachineConfig } from '../machine/config.ts'
import { type Decisions, defaultDecisions, seededDecisions } from '../sim/decisions.ts'
import type { Failpoints } from '../sim/failpoint.ts'
import type { DeviceSection, Scenario } from './document.ts'

export interface MachineOptions {
  readonly trace: boolean
  /** Failures to inject instead of those that the scenario's decisions draw. */
  readonly failpoints: Failpoints | undefined
}

/** The machine that a scenario describes. */
export function machineOf(scenario: Scenario, options: MachineOptions): MachineConfig {
  const { machine, latencies, policy } = scenario
  const timeoutCode = policy.timeoutCode === 'failure' ? RESPONSE_FAILURE : RESPONSE_INVALID
  return {
    memoryBytes: machine.memory,
    iommus: machine.iommus,
    devices: machine.devices.map(deviceConfig),
    latencies,
    policy: {
      quotaFaults: policy.quotaPerDevice === 'none' ? 0 : policy.quotaPerDevice,
      quotaCode: RESPONSE_INVALID,
      timeoutNanos: policy.responseTimeout === 'none' ? 0 : policy.responseTimeout,
      timeoutCode,
      privateData: policy.privateData,
    },
    decisions: decisionsOf(scenario),
    trace: options.trace,
    ...(options.failpoints === undefined ? {} : { failpoints: options.failpoints }),
  }
}

function decisionsOf({ decisions, seed, random }: Scenario): Decisions {
  if (decisions === 'default') return defaultDecisions()
  return seededDecisions(seed, {
    latencySpread: { from: 1 - random.latencySpread, to: 1 + random.latencySpread },
    failureChance: random.failureChance,
  })
}

function deviceConfig(device: DeviceSection): DeviceConfig {
  const { name, kind, iommu, ats, pri, pasid, groupPages, transfersInFlight, privateData } = device
  return { name, kind, iommu, ats, pri, pasidBits: pasid.bits, groupPages, transfersInFlight, privateData }
}
