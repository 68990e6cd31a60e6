// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { PageTableFormat } from '../format.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from './x86-64.ts'

/** How a PASID entry has first-stage entries read (VT-d 3.6.1). */
export interface FirstStageRules {
  readonly levels: 4 | 5
  /** Read-only pages are so for supervisor requests too. */
  readonly writeProtect: boolean
  /** XD counts; without, whatever can be read can be executed. */
  readonly noExecute: boolean
  /** Supervisor requests do not execute user pages. */
  readonly smep: boolean
}

/** x86-64 tables with the rules of a PASID entry; all three set is what a CPU does. @spec VT-d 3.6.1 done */
export function vtdFirstStage(rules: FirstStageRules): PageTableFormat {
  const base = rules.levels === 4 ? X86_64_4_LEVEL : X86_64_5_LEVEL
  const permission = { ...base.permission, grants: base.permission.grants.map((_, i) => grants(i, rules)) }
  return { ...base, name: `VT-d first stage ${rules.levels}-level`, permission }
}

/** `index`: 1 = writable, 2 = user, 4 = executable, 16 = privileged request. */
function grants(index: number, { writeProtect, noExecute, smep }: FirstStageRules): number {
  const user = (index & 2) !== 0
  const privileged = (index & 16) !== 0
  if (!privileged && !user) return 0
  const writes = (index & 1) !== 0 || (privileged && !writeProtect)
  const executes = ((index & 4) !== 0 || !noExecute) && !(privileged && user && smep)
  return (
    ACCESS_READ | (writes ? ACCESS_WRITE : 0) | (executes ? ACCESS_EXEC : 0) | (privileged ? ACCESS_PRIV : 0)
  )
}
