// SPDX-License-Identifier: MIT
import type { Machine } from '../../src/machine/machine.ts'
import type { Process } from '../../src/iommufd/process.ts'

/** What a machine holds on to; the same before and after a program whose processes have all ended. */
export interface Holdings {
  readonly freeFrames: number
  readonly devices: number
  readonly groups: number
  readonly faults: number
}

export function holdingsOf({ frames, mock }: Machine): Holdings {
  const pool = mock?.queue.pool
  return {
    freeFrames: frames.freeFrames,
    devices: mock?.deviceCount ?? 0,
    groups: pool?.groupsInUse ?? 0,
    faults: pool?.faultsInUse ?? 0,
  }
}

/** What a process still has after its end, by name; all 0. */
export function remainsOf(process: Process): Readonly<Record<string, number>> {
  const { files, user } = process
  return {
    descriptors: files.descriptors.length,
    lockedPages: user.lockedPages,
  }
}

/** Each thing that is left, as `name: number`; empty when nothing is. */
export function leftBehind(machine: Machine, before: Holdings, processes: readonly Process[]): string[] {
  const after = holdingsOf(machine)
  const held = Object.entries(after).flatMap(([name, value]) => {
    const was = Object.entries(before).find(([other]) => other === name)?.[1] ?? 0
    return value === was ? [] : [`${name}: ${was} before, ${value} after`]
  })
  const remains = processes.flatMap((process) => Object.entries(remainsOf(process)))
  const counters = [...remains, ['pinnedVm', pinnedVmOf(processes)] as const]
  return [...held, ...counters.flatMap(([name, value]) => (value === 0 ? [] : [`${name}: ${value}`]))]
}

/**
 * Of all together: IOMMU_IOAS_CHANGE_PROCESS lets one pay what another gets back. Who is charged in its address space
 * gets nothing back after its end.
 */
function pinnedVmOf(processes: readonly Process[]): number {
  if (processes.some(({ mm }) => mm.lockedVm !== 0)) return 0
  return processes.reduce((sum, { mm }) => sum + mm.pinnedVm, 0)
}
