// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'

/** Protection bits of mmap(2); the same numbers as the datapath's ACCESS_ bits. */
export const PROT_NONE = 0
export const PROT_READ: typeof ACCESS_READ = ACCESS_READ
export const PROT_WRITE: typeof ACCESS_WRITE = ACCESS_WRITE
export const PROT_EXEC: typeof ACCESS_EXEC = ACCESS_EXEC
