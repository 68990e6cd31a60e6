// SPDX-License-Identifier: MIT
import { closeSync } from 'node:fs'
import { broken } from '../../base/assert.ts'
import { ENFILE } from '../../base/errno.ts'
import type { OpenFile } from '../../iommufd/files.ts'
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE } from '../sys/numbers.ts'
import type { FileIdentity, System } from '../sys/system.ts'

const EVENT_BYTES = 16
const EVENTS_BYTES = 8192

/** A file of ours that a program holds: an open file of the host stands for it there. */
export interface HeldFile {
  readonly file: OpenFile
  /** The program's last descriptor and mapping of it are gone. */
  released(): void
}

/**
 * The files that programs hold, by what stat(2) tells of their stand-ins: true through dup, fork, exec and passing on.
 * The kernel tells when the last reference to one is gone (inotify).
 */
export class FileRegistry {
  /** Readable when something was closed. */
  readonly inotify: number
  readonly #system: System
  readonly #events: number
  /** By device, then by inode. */
  readonly #files: Map<number, Map<number, HeldFile>> = new Map()
  readonly #watches: Map<number, { held: HeldFile; identity: FileIdentity }> = new Map()
  readonly #identity: FileIdentity = { device: 0, inode: 0 }

  constructor(system: System) {
    this.#system = system
    this.#events = system.arena.allocate(EVENTS_BYTES)
    this.inotify = system.createInotify()
    if (this.inotify < 0) broken(`inotify_init1 gave ${this.inotify}`)
  }

  /** Files that are held. */
  get size(): number {
    return this.#watches.size
  }

  /** `fd`: the stand-in, open once, to be given to the program and then closed here. ENFILE: no watches are left. */
  add(fd: number, held: HeldFile): void {
    const path = `/proc/self/fd/${fd}`
    const identity: FileIdentity = { device: 0, inode: 0 }
    const result = this.#system.identify(0, path, identity)
    const watch = this.#system.watch(this.inotify, path, IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)
    if (result < 0 || watch < 0) {
      closeSync(fd)
      throw ENFILE
    }
    let byInode = this.#files.get(identity.device)
    if (byInode === undefined) this.#files.set(identity.device, (byInode = new Map()))
    byInode.set(identity.inode, held)
    this.#watches.set(watch, { held, identity })
  }

  /** `folder`: descriptor of a /proc/PID. The file behind the process's descriptor. */
  findDescriptor(folder: number, fd: number): HeldFile | undefined {
    if (fd < 0 || this.#system.identifyDescriptor(folder, fd, this.#identity) < 0) return undefined
    return this.#known()
  }

  has(device: number, inode: number): boolean {
    return this.#files.get(device)?.has(inode) === true
  }

  /** `path`: below `folder`, a descriptor. `undefined`: there is nothing, or nothing of ours. */
  find(folder: number, path: string): HeldFile | undefined {
    if (this.#system.identify(folder, path, this.#identity) < 0) return undefined
    return this.#known()
  }

  #known(): HeldFile | undefined {
    return this.#files.get(this.#identity.device)?.get(this.#identity.inode)
  }

  /** Takes note of everything that was closed. */
  drain(): void {
    const { view } = this.#system.arena
    const at = this.#events
    const length = this.#system.read(this.inotify, at, EVENTS_BYTES)
    for (let offset = 0; offset < length; ) {
      const mask = view.getUint32(at + offset + 4, true)
      if ((mask & (IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)) !== 0) this.#closed(view.getInt32(at + offset, true))
      offset += EVENT_BYTES + view.getUint32(at + offset + 12, true)
    }
    if (length > EVENTS_BYTES / 2) this.drain()
  }

  /** Every program is gone: whatever is still held is released. */
  releaseAll(): void {
    for (const watch of this.#watches.keys()) this.#closed(watch)
  }

  close(): void {
    closeSync(this.inotify)
  }

  #closed(watch: number): void {
    const found = this.#watches.get(watch)
    if (found === undefined) return
    this.#watches.delete(watch)
    this.#files.get(found.identity.device)?.delete(found.identity.inode)
    found.held.released()
  }
}
