// SPDX-License-Identifier: MIT
/** Which file a program means by a path: for the few that may be ours. */
import type { FileIdentity, System } from '../sys/system.ts'
import type { FolderStandIns } from './folder-stand-ins.ts'

const LINKS_MAX = 40
const PATH_BYTES_MAX = 4096
const PAGE_BYTES = 4096

/** Reads paths of a thread, and follows them as the kernel would for it. */
export class ProgramPaths {
  readonly #system: System
  readonly #at: number
  readonly #text: Buffer
  readonly #identity: FileIdentity = { device: 0, inode: 0 }
  readonly #folders: FolderStandIns

  constructor(system: System, folders: FolderStandIns) {
    this.#system = system
    this.#folders = folders
    this.#at = system.arena.allocate(PATH_BYTES_MAX)
    const { buffer, byteOffset } = system.arena.bytes
    this.#text = Buffer.from(buffer, byteOffset + this.#at, PATH_BYTES_MAX)
  }

  /** The path at an address of the thread; `undefined`: not readable, or too long. */
  read(tid: number, address: number): string | undefined {
    let length = 0
    while (length < PATH_BYTES_MAX) {
      const from = address + length
      const toPageEnd = PAGE_BYTES - (from % PAGE_BYTES)
      const part = Math.min(toPageEnd, PATH_BYTES_MAX - length)
      const read = this.#system.readProcess(tid, from, this.#at + length, part)
      if (read <= 0) return undefined
      const end = this.#text.indexOf(0, length)
      if (end >= 0 && end < length + read) return this.#text.toString('utf8', 0, end)
      length += read
    }
    return undefined
  }

  /** Text of the link that the path names; `undefined`: it names none. `folder`: a descriptor of the thread, or negative. */
  linkAt(tid: number, folder: number, path: string): string | undefined {
    return this.#system.readLink(0, `${root(tid, folder, path)}/${path}`)
  }

  /** The path without links, dots and relative beginnings, as the thread sees it; `undefined`: it leads nowhere. */
  resolve(tid: number, folder: number, path: string, followLast: boolean = true): string | undefined {
    const start = path.startsWith('/') ? '' : this.#folderOf(tid, folder)
    if (start === undefined) return undefined
    const rest = path.split('/').filter((part) => part !== '')
    let at = start === '/' ? '' : start
    for (let links = 0; rest.length > 0; ) {
      const part = rest.shift()!
      if (part === '.') continue
      if (part === '..') {
        if (!this.#exists(tid, at)) return undefined
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')))
        continue
      }
      const next = `${at}/${part}`
      const target = followLast || rest.length > 0 ? this.#linkOf(tid, next) : undefined
      if (target === undefined) {
        at = next
        continue
      }
      if (++links > LINKS_MAX) return undefined
      if (target.startsWith('/')) at = ''
      rest.unshift(...target.split('/').filter((word) => word !== ''))
    }
    return at === '' ? '/' : at
  }

  /** /proc/self is another process for whoever looks; links there to open files lead to no path. */
  #linkOf(tid: number, path: string): string | undefined {
    if (path === '/proc/self') return String(tid)
    if (path === '/proc/thread-self') return `${tid}/task/${tid}`
    if (/^\/proc\/\d+\/(task\/\d+\/)?fd\/\d+$/.test(path)) return undefined
    return this.#system.readLink(0, `/proc/${tid}/root${path}`)
  }

  #folderOf(tid: number, folder: number): string | undefined {
    const link = folder < 0 ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${folder}`
    const path = this.#system.readLink(0, link)
    return path === undefined ? undefined : this.#folders.originalOf(path)
  }

  #exists(tid: number, path: string): boolean {
    if (this.#folders.has(path)) return true
    return this.#system.identify(0, `/proc/${tid}/root${path}/.`, this.#identity) === 0
  }
}

/** Where a path of the thread begins, for us. */
function root(tid: number, folder: number, path: string): string {
  if (path.startsWith('/')) return `/proc/${tid}/root`
  return folder < 0 ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${folder}`
}
