// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'

/** Protection bits of mmap(2); the same numbers as the datapath's ACCESS_ bits. */
export const PROT_NONE = 0
export const PROT_READ: typeof ACCESS_READ = ACCESS_READ
export const PROT_WRITE: typeof ACCESS_WRITE = ACCESS_WRITE
export const PROT_EXEC: typeof ACCESS_EXEC = ACCESS_EXEC
export const PROT_ALL: number = PROT_READ | PROT_WRITE | PROT_EXEC

/** What a page table can grant for a protection: x86-64 has no page that can be written or executed but not read. */
export function accessOfProt(prot: number): number {
  return prot === PROT_NONE ? 0 : prot | ACCESS_READ
}
