// SPDX-License-Identifier: MIT
import { closeSync, fstatSync } from 'node:fs'
import { EINVAL, ENOMEM, type Errno } from '../../base/errno.ts'
import { PAGE_BYTES } from '../../base/u64.ts'
import { O_CLOEXEC, O_RDONLY, O_RDWR } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'
import type { PageHolder, PinnedPages } from './pinned-pages.ts'

/** File systems of memory, as statfs(2) names them. */
export const TMPFS = 0x01021994
export const HUGETLBFS = 0x958458f6

/** Pages of a huge page of 2 MiB. */
const HUGE_PAGES = 512

/** What memory is meant, and where it can be opened by who may. */
export interface SharedMemory {
  readonly device: number
  readonly inode: number
  readonly path: string
  readonly isHuge: boolean
}

/** A process that may map shared memory. */
export interface Mapper {
  /** Address of a page of the memory in the process; `undefined`: it does not map it, or has ended. */
  findShared(memory: SharedMemory, page: number): number | undefined
  /** Copies between the arena and the process; whether all bytes were moved. */
  readAddress(address: number, at: number, lengthBytes: number): boolean
  writeAddress(address: number, at: number, lengthBytes: number): boolean
}

export interface SharedObjectsOptions {
  readonly system: System
  readonly pages: PinnedPages
  /** Place in the arena for copies. */
  readonly block: number
  /** Processes that are known. */
  readonly mappers: () => Iterable<Mapper>
}

/** The pinned pages of one object, reached through a descriptor of it, or else through any process that maps it. */
class SharedObject implements PageHolder {
  readonly frames: Map<number, number> = new Map()
  readonly memory: SharedMemory
  /** Negative: it cannot be opened. */
  readonly fd: number
  readonly #options: SharedObjectsOptions
  readonly #onUnused: () => void
  /** The process through which the memory was reached last. */
  #lastMapper: Mapper | undefined = undefined
  /** Pages as they were when the last process left them. */
  readonly #kept: Map<number, Uint8Array> = new Map()

  constructor(options: SharedObjectsOptions, memory: SharedMemory, fd: number, onUnused: () => void) {
    this.#options = options
    this.memory = memory
    this.fd = fd
    this.#onUnused = onUnused
  }

  readPage(page: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const { system, block } = this.#options
    const read =
      this.fd >= 0
        ? system.readAt(this.fd, page * PAGE_BYTES + offset, block, length) === length
        : this.#through(page, (mapper, address) => mapper.readAddress(address + offset, block, length))
    const kept = read ? undefined : this.#kept.get(page)
    if (read) into.set(system.arena.bytes.subarray(block, block + length), at)
    else if (kept !== undefined) into.set(kept.subarray(offset, offset + length), at)
    return read || kept !== undefined
  }

  writePage(page: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const { system, block } = this.#options
    const bytes = from.subarray(at, at + length)
    system.arena.bytes.set(bytes, block)
    const kept = this.#kept.get(page)
    kept?.set(bytes, offset)
    if (kept !== undefined && this.#isBeyondEnd(page)) return true
    if (this.fd < 0)
      return (
        this.#through(page, (mapper, address) => mapper.writeAddress(address + offset, block, length)) ||
        kept !== undefined
      )
    const position = page * PAGE_BYTES + offset
    const write = this.memory.isHuge ? system.writeMapped.bind(system) : system.writeAt.bind(system)
    return write(this.fd, position, block, length) === length
  }

  forget(page: number): void {
    this.frames.delete(page)
    if (this.frames.size === 0) this.#onUnused()
  }

  /** A process that may be the last one leaves. */
  preserve(): void {
    if (this.fd < 0) this.preserveFrom(0)
  }

  /** What is pinned from that page on stays as it is now, whatever becomes of the file. */
  preserveFrom(first: number): void {
    for (const page of this.frames.keys()) {
      if (page < first) continue
      const bytes = new Uint8Array(PAGE_BYTES)
      if (this.readPage(page, 0, bytes, 0, PAGE_BYTES)) this.#kept.set(page, bytes)
    }
  }

  /** The file was cut before the page: writing there would make it longer. */
  #isBeyondEnd(page: number): boolean {
    return this.fd >= 0 && page * PAGE_BYTES >= fstatSync(this.fd).size
  }

  #through(page: number, move: (mapper: Mapper, address: number) => boolean): boolean {
    const { memory } = this
    const works = (mapper: Mapper): boolean => {
      const address = mapper.findShared(memory, page)
      return address !== undefined && move(mapper, address)
    }
    if (this.#lastMapper !== undefined && works(this.#lastMapper)) return true
    this.#lastMapper = undefined
    for (const mapper of this.#options.mappers()) {
      if (!works(mapper)) continue
      this.#lastMapper = mapper
      return true
    }
    return false
  }
}

/**
 * Memory that several mappings or descriptors show: memfds, files, shared anonymous memory. One page has one frame,
 * whoever pins it, and lives on when every process has left it.
 */
export class SharedObjects {
  readonly #options: SharedObjectsOptions
  readonly #objects: Map<string, SharedObject> = new Map()

  constructor(options: SharedObjectsOptions) {
    this.#options = options
  }

  /** EINVAL: past the end. */
  pin(memory: SharedMemory, page: number): number {
    const { pages } = this.#options
    const object = this.#objects.get(keyOf(memory)) ?? this.#open(memory)
    const failure = this.#refusal(object, page, memory)
    if (failure !== undefined) {
      if (object.frames.size === 0) this.#close(object)
      throw failure
    }
    const known = object.frames.get(page)
    if (known !== undefined) {
      pages.pinAgain(known)
      return known
    }
    const frame = pages.add(object, page, memory.isHuge)
    object.frames.set(page, frame)
    return frame
  }

  /** Only whole pages of a file are pinned; huge ones must be there. */
  #refusal({ fd }: SharedObject, page: number, memory: SharedMemory): Errno | undefined {
    if (fd < 0) return undefined
    if ((page + 1) * PAGE_BYTES > fstatSync(fd).size) return EINVAL
    if (!memory.isHuge || page % HUGE_PAGES !== 0) return undefined
    const { system } = this.#options
    return system.allocate(fd, page * PAGE_BYTES, PAGE_BYTES) < 0 ? ENOMEM : undefined
  }

  unpin(frame: number): void {
    this.#options.pages.unpin(frame)
  }

  /** Frame of a page that is pinned. */
  frameAt(memory: SharedMemory, page: number): number | undefined {
    return this.#objects.get(keyOf(memory))?.frames.get(page)
  }

  /** The file at the path is about to be cut to that length. */
  preserveBeyond(path: string, lengthBytes: number): void {
    if (this.#objects.size === 0) return
    const identity = { device: 0, inode: 0 }
    if (this.#options.system.identify(0, path, identity) < 0) return
    const key = `${identity.device}:${identity.inode}`
    this.#objects.get(key)?.preserveFrom(Math.floor(lengthBytes / PAGE_BYTES))
  }

  /** A process leaves its memory. */
  preserve(): void {
    for (const object of this.#objects.values()) object.preserve()
  }

  #open(memory: SharedMemory): SharedObject {
    const { system } = this.#options
    const open = (mode: number): number => system.open(0, memory.path, mode | O_CLOEXEC)
    const writable = open(O_RDWR)
    const fd = writable < 0 ? open(O_RDONLY) : writable
    const object = new SharedObject(this.#options, memory, fd, () => this.#close(object))
    this.#objects.set(keyOf(memory), object)
    return object
  }

  #close(object: SharedObject): void {
    this.#objects.delete(keyOf(object.memory))
    if (object.fd >= 0) closeSync(object.fd)
  }
}

function keyOf({ device, inode }: SharedMemory): string {
  return `${device}:${inode}`
}
