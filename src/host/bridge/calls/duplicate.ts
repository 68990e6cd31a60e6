// SPDX-License-Identifier: MIT
/** dup(2) and F_DUPFD of fault queues: the copy stays among the descriptors whose reads and writes come to us. */
import { closeSync, readFileSync } from 'node:fs'
import { O_ACCMODE, O_CLOEXEC, O_LARGEFILE } from '../../sys/numbers.ts'
import { isGone } from '../notifications.ts'
import type { Outcome, Ports } from './handler.ts'

const F_GETFL = 3
const F_DUPFD_CLOEXEC = 1030

export function dup(ports: Ports): Outcome {
  return duplicate(ports, 0, false)
}

export function fcntl(ports: Ports): Outcome {
  const { listener } = ports
  if (listener.int(1) === F_GETFL) return statusFlags(ports)
  return duplicate(ports, listener.int(2), listener.int(1) === F_DUPFD_CLOEXEC)
}

/** An anonymous file is opened without the flag for large files, which the stand-in has; the mode is ours. */
function statusFlags({ listener, threads }: Ports): Outcome {
  const fd = listener.int(0)
  const file = threads.find(listener.tid, fd)
  if (file === undefined || file.name.startsWith('/dev/')) return 'proceed'
  const flags = readFlags(`/proc/${listener.tid}/fdinfo/${fd}`)
  if (flags === undefined) return 'proceed'
  return (flags & ~(O_LARGEFILE | O_CLOEXEC | O_ACCMODE)) | (file.flags & O_ACCMODE)
}

function readFlags(path: string): number | undefined {
  try {
    const text = /^flags:\s+([0-7]+)/m.exec(readFileSync(path, 'utf8'))?.[1]
    return text === undefined ? undefined : Number.parseInt(text, 8)
  } catch {
    return undefined
  }
}

/** Where the range is full, or the caller asks for a number, the kernel makes the copy. */
function duplicate(ports: Ports, from: number, closeOnExec: boolean): Outcome {
  const { listener, system, threads } = ports
  const fd = listener.int(0)
  if (from !== 0 || threads.find(listener.tid, fd) === undefined) return 'proceed'
  const number = threads.program.files.freeReserved(from)
  if (number === undefined) return 'proceed'
  const source = system.takeDescriptor(threads.program.tgid, fd)
  if (source < 0) return 'proceed'
  const result = listener.addDescriptor({ source, closeOnExec, number, answers: true })
  closeSync(source)
  return result < 0 && !isGone(result) ? result : 'answered'
}
