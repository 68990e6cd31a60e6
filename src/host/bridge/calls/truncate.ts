// SPDX-License-Identifier: MIT
import { EINVAL } from '../../../base/errno.ts'
import type { Outcome, Ports } from './handler.ts'

/** ftruncate(2): a file of ours has no length; of another file what is pinned behind its new end stays as it is. */
export function ftruncate({ listener, threads, shared }: Ports): Outcome {
  const fd = listener.int(0)
  if (threads.find(listener.tid, fd) !== undefined) throw EINVAL
  shared.preserveBeyond(`/proc/${listener.tid}/fd/${fd}`, listener.argument(1))
  return 'proceed'
}
