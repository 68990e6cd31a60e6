// SPDX-License-Identifier: MIT
import { closeSync, fstatSync, statfsSync } from 'node:fs'
import { EINVAL } from '../../base/errno.ts'
import { PAGE_BYTES } from '../../base/u64.ts'
import { O_CLOEXEC, O_RDONLY, O_RDWR } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'
import type { PageHolder, PinnedPages } from './pinned-pages.ts'

/** File systems of memory, as statfs(2) names them. */
export const TMPFS = 0x01021994
export const HUGETLBFS = 0x958458f6

/** What memory is meant, and where it can be opened. */
export interface SharedMemory {
  readonly device: number
  readonly inode: number
  readonly path: string
}

/** The pinned pages of one object, read and written through a descriptor of it. */
class SharedObject implements PageHolder {
  readonly frames: Map<number, number> = new Map()
  readonly fd: number
  readonly isHuge: boolean
  readonly #system: System
  readonly #block: number
  readonly #onUnused: () => void

  constructor(system: System, fd: number, block: number, onUnused: () => void) {
    this.#system = system
    this.fd = fd
    this.isHuge = statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS
    this.#block = block
    this.#onUnused = onUnused
  }

  readPage(page: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const block = this.#block
    if (this.#system.readAt(this.fd, page * PAGE_BYTES + offset, block, length) !== length) return false
    into.set(this.#system.arena.bytes.subarray(block, block + length), at)
    return true
  }

  writePage(page: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const block = this.#block
    this.#system.arena.bytes.set(from.subarray(at, at + length), block)
    const position = page * PAGE_BYTES + offset
    if (this.isHuge) return this.#system.writeMapped(this.fd, position, block, length) === length
    return this.#system.writeAt(this.fd, position, block, length) === length
  }

  forget(page: number): void {
    this.frames.delete(page)
    if (this.frames.size === 0) this.#onUnused()
  }
}

/**
 * Memory that several mappings or descriptors show: memfds, files, shared anonymous memory. One page has one frame,
 * whoever pins it, and lives on when every process has left it.
 */
export class SharedObjects {
  readonly #system: System
  readonly #pages: PinnedPages
  readonly #block: number
  readonly #objects: Map<string, SharedObject> = new Map()

  constructor(system: System, pages: PinnedPages, block: number) {
    this.#system = system
    this.#pages = pages
    this.#block = block
  }

  /** Whether it is known or can be opened. */
  canOpen(memory: SharedMemory): boolean {
    const found = this.#find(memory) ?? this.#open(memory)
    if (found?.frames.size === 0) this.#close(memory, found)
    return found !== undefined
  }

  /** EINVAL: past the end, or it cannot be opened. */
  pin(memory: SharedMemory, page: number): number {
    const object = this.#find(memory) ?? this.#open(memory)
    if (object === undefined) throw EINVAL
    const known = object.frames.get(page)
    if (known !== undefined) {
      this.#pages.pinAgain(known)
      return known
    }
    if (page * PAGE_BYTES >= fstatSync(object.fd).size) {
      if (object.frames.size === 0) this.#close(memory, object)
      throw EINVAL
    }
    const frame = this.#pages.add(object, page, object.isHuge)
    object.frames.set(page, frame)
    return frame
  }

  unpin(frame: number): void {
    this.#pages.unpin(frame)
  }

  /** Frame of a page that is pinned. */
  frameAt(memory: SharedMemory, page: number): number | undefined {
    return this.#find(memory)?.frames.get(page)
  }

  #find(memory: SharedMemory): SharedObject | undefined {
    return this.#objects.get(keyOf(memory))
  }

  #open(memory: SharedMemory): SharedObject | undefined {
    const open = (mode: number): number => this.#system.open(0, memory.path, mode | O_CLOEXEC)
    const writable = open(O_RDWR)
    const fd = writable < 0 ? open(O_RDONLY) : writable
    if (fd < 0) return undefined
    const object = new SharedObject(this.#system, fd, this.#block, () => this.#close(memory, object))
    this.#objects.set(keyOf(memory), object)
    return object
  }

  #close(memory: SharedMemory, object: SharedObject): void {
    this.#objects.delete(keyOf(memory))
    closeSync(object.fd)
  }
}

function keyOf({ device, inode }: SharedMemory): string {
  return `${device}:${inode}`
}
