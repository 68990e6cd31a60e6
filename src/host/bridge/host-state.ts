// SPDX-License-Identifier: MIT
/** What Node changed of the process that started it, and what it hides. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Soft limit of open files before Node raised it: taken from the parent process, which is the best guess there is. */
export function originalOpenFilesMax(): number {
  return Math.min(openFilesMaxOf('self'), openFilesMaxOf(process.ppid))
}

function openFilesMaxOf(pid: number | string): number {
  try {
    const text = readFileSync(`/proc/${pid}/limits`, 'utf8')
    const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** Descriptors above 2 that were open when this process started: whatever is not of a kind that Node opens for itself. */
export function inheritedDescriptors(): number[] {
  const links = readdirSync('/proc/self/fd').map((name) => [Number(name), linkOf(name)] as const)
  const ends = links.map(([, link]) => link)
  return links
    .filter(([fd, link]) => fd > 2 && isForeign(link, ends))
    .map(([fd]) => fd)
    .toSorted((a, b) => a - b)
}

/** Node's pipes have both ends here. */
function isForeign(link: string, all: readonly string[]): boolean {
  if (link === '' || link === '/dev/null' || link.startsWith('anon_inode:') || link.startsWith('/proc/'))
    return false
  return !link.startsWith('pipe:') || all.filter((other) => other === link).length === 1
}

function linkOf(name: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${name}`)
  } catch {
    return ''
  }
}
