// SPDX-License-Identifier: MIT
import type { Outcome, Ports } from './handler.ts'

/** The kernel does it; afterwards the process may have another memory. */
export function exec({ listener, threads }: Ports): Outcome {
  threads.execs(listener.tid)
  return 'proceed'
}
