// SPDX-License-Identifier: MIT
import type { Outcome, Ports } from './handler.ts'

/** execve(2): the kernel does it; afterwards the process may have another memory. */
export function leave({ listener, threads }: Ports): Outcome {
  threads.leaves(listener.tid)
  return 'proceed'
}
