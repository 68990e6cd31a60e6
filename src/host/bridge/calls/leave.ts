// SPDX-License-Identifier: MIT
import type { Outcome, Ports } from './handler.ts'

/** execve(2), exit_group(2): the kernel does it; afterwards the process may have another memory, or none. */
export function leave({ listener, threads }: Ports): Outcome {
  threads.leaves(listener.tid)
  return 'proceed'
}
