// SPDX-License-Identifier: MIT
import type { MachineConfig } from '../../machine/config.ts'
import { CliError, EXIT_USAGE } from '../exit.ts'
import type { Invocation } from '../options.ts'

const DEFAULT_MACHINE: MachineConfig = {
  iommus: [{ name: 'iommu0', model: 'simple' }],
  devices: [
    { name: 'edu0', kind: 'edu', iommu: 'iommu0' },
    { name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' },
  ],
}

/** What a kernel built for testing has. */
const MOCK_MACHINE: MachineConfig = { iommus: [{ name: 'mock0', model: 'mock' }], devices: [] }

/** The machine that the options ask for, as plain data. Loads yaml and zod only for a document. */
export async function machineFor(invocation: Invocation): Promise<MachineConfig> {
  const file = invocation.text('machine')
  if (file === undefined) return invocation.flag('mock') ? MOCK_MACHINE : DEFAULT_MACHINE
  if (invocation.flag('mock')) throw new CliError(EXIT_USAGE, '--mock: --machine has a machine already')
  const { loadScenario } = await import('../scenario/load.ts')
  const { machineOf } = await import('../../scenario/machine-of.ts')
  const { scenario } = loadScenario(file, [])
  const { memoryBytes, iommus, devices, latencies, policy } = machineOf(scenario, {
    trace: false,
    failpoints: undefined,
  })
  return {
    iommus,
    devices,
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(latencies !== undefined && { latencies }),
    ...(policy !== undefined && { policy }),
  }
}
