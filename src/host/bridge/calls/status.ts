// SPDX-License-Identifier: MIT
/** /proc/PID/status of a process with pinned or locked pages: with the lines that the kernel would write. */
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { O_CLOEXEC, O_RDONLY } from '../../sys/numbers.ts'
import { isGone } from '../notifications.ts'
import type { Outcome, Ports } from './handler.ts'

const PAGE_KIB = 4

export function openStatus(
  { system, listener, threads }: Ports,
  { path, tgid }: { readonly path: string; readonly tgid: number },
  flags: number,
): Outcome {
  const mm = threads.known(tgid)?.mm
  if (mm === undefined || (mm.pinnedVm === 0 && mm.lockedVm === 0)) return 'proceed'
  const memory = system.createMemoryFile('status')
  if (memory < 0) return 'proceed'
  writeSync(memory, withPages(readStatus(path), mm.pinnedVm, mm.lockedVm))
  const source = system.open(0, `/proc/self/fd/${memory}`, O_RDONLY | O_CLOEXEC)
  closeSync(memory)
  const result = listener.addDescriptor({ source, closeOnExec: (flags & O_CLOEXEC) !== 0, answers: true })
  closeSync(source)
  return result < 0 && !isGone(result) ? result : 'answered'
}

/** Adds pages to the lines VmPin and VmLck of a status text. */
export function withPages(status: string, pinned: number, locked: number): string {
  return withMore(withMore(status, 'VmPin', pinned), 'VmLck', locked)
}

function withMore(status: string, name: string, pages: number): string {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm')
  return status.replace(line, (_line, kib: string) => {
    const sum = Number(kib) + pages * PAGE_KIB
    return `${name}:\t${String(sum).padStart(8)} kB`
  })
}

function readStatus(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
