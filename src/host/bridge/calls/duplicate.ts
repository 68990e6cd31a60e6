// SPDX-License-Identifier: MIT
/** dup(2) and F_DUPFD of fault queues: the copy stays among the descriptors whose reads and writes come to us. */
import { closeSync } from 'node:fs'
import { isGone } from '../notifications.ts'
import type { Outcome, Ports } from './handler.ts'

const F_DUPFD_CLOEXEC = 1030

export function dup(ports: Ports): Outcome {
  return duplicate(ports, 0, false)
}

export function fcntl(ports: Ports): Outcome {
  const { listener } = ports
  return duplicate(ports, listener.int(2), listener.int(1) === F_DUPFD_CLOEXEC)
}

/** Where the range is full, or the caller wants a number above it, the kernel gives the copy any number. */
function duplicate(ports: Ports, from: number, closeOnExec: boolean): Outcome {
  const { listener, system, reserved, threads } = ports
  const fd = listener.int(0)
  if (from < 0 || from >= reserved.end || threads.find(listener.tid, fd) === undefined) return 'proceed'
  const number = threads.program.files.freeNumber(from)
  if (number === undefined) return 'proceed'
  const source = system.takeDescriptor(threads.program.tgid, fd)
  if (source < 0) return 'proceed'
  const result = listener.addDescriptor({ source, closeOnExec, number, answers: true })
  closeSync(source)
  return result < 0 && !isGone(result) ? result : 'answered'
}
