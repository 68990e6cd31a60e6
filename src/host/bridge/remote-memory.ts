// SPDX-License-Identifier: MIT
import { closeSync, readFileSync } from 'node:fs'
import { EFAULT } from '../../base/errno.ts'
import { PAGE_BYTES, toNumber } from '../../base/u64.ts'
import type { AddressSpace } from '../../iommufd/user-memory.ts'
import { O_CLOEXEC, O_RDONLY, O_RDWR } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'
import { type CallCounter, type Mapping, Mappings } from './mappings.ts'
import { NO_FRAME, type PageHolder, type PinnedPages } from './pinned-pages.ts'
import type { Mapper, SharedMemory, SharedObjects } from './shared-objects.ts'

const PAGE_MASK = PAGE_BYTES - 1
/** High word of the first address that no program has, and that a number does not hold exactly: 2^53. */
const ADDRESS_HI_END = 2 ** 21
/** A small copy from the program brings so much of its page along. */
const AHEAD_BYTES = 256
const BLOCK_BYTES = 65536
/** Type in the auxiliary vector. */
const AT_RANDOM = 25

/** Places in the arena that all address spaces share. */
export interface CopySpace {
  readonly ahead: number
  readonly block: number
  readonly query: number
  readonly calls: CallCounter
}

export function allocateCopySpace(system: System): CopySpace {
  return {
    ahead: system.arena.allocate(PAGE_BYTES),
    block: system.arena.allocate(BLOCK_BYTES),
    query: Mappings.allocateQuery(system),
    calls: { served: 0 },
  }
}

export interface RemoteMemoryOptions {
  readonly system: System
  readonly pages: PinnedPages
  readonly shared: SharedObjects
  readonly copySpace: CopySpace
  readonly tgid: number
  /** Whether a mapped file is one of ours, whose memory is a device's. */
  readonly isDevice: (device: number, inode: number) => boolean
}

/**
 * The memory of a program. A system call's copies go to the calling thread (process_vm_readv); devices reach pinned pages
 * through /proc/PID/mem, which stands for this address space and never for the one after an exec, nor for another
 * process that was given the number. A private page is pinned by its address: what is unmapped is gone, pinned or not.
 */
export class RemoteMemory implements AddressSpace, PageHolder, Mapper {
  copied = 0
  pinnedVm = 0
  lockedVm = 0
  readonly #system: System
  readonly #pages: PinnedPages
  readonly #shared: SharedObjects
  readonly #space: CopySpace
  readonly #tgid: number
  readonly #isDevice: (device: number, inode: number) => boolean
  readonly #mappings: Mappings
  readonly #file: number
  /** Frames of pinned pages. */
  readonly #frames: Map<number, number> = new Map()
  /** Pinned pages as they were when the process left them. */
  readonly #kept: Map<number, Uint8Array> = new Map()
  /** The thread whose call is served. */
  #tid: number
  /** Bytes of the program at `ahead`. */
  #aheadAddress = 0
  #aheadBytes = 0
  #references = 1
  /** What no other address space has. */
  readonly #stamp: string

  constructor(options: RemoteMemoryOptions) {
    const { system, pages, shared, copySpace, tgid } = options
    this.#isDevice = options.isDevice
    this.#system = system
    this.#pages = pages
    this.#space = copySpace
    this.#shared = shared
    this.#tgid = tgid
    this.#tid = tgid
    this.#file = system.open(0, `/proc/${tgid}/mem`, O_RDWR | O_CLOEXEC)
    const maps = `/proc/${tgid}/maps`
    this.#mappings = new Mappings(system, system.open(0, maps, O_RDONLY | O_CLOEXEC), maps, copySpace)
    this.#stamp = this.#stampOf(tgid)
  }

  /** Whether it is the memory that the process has now. */
  isOf(tgid: number): boolean {
    return this.#stampOf(tgid) === this.#stamp
  }

  /** A call of the thread is served from here on: nothing of what was read before is known. */
  serve(tid: number): void {
    this.#tid = tid
    this.#aheadBytes = 0
    this.#mappings.forget()
  }

  get alive(): boolean {
    return this.#system.readAt(this.#file, 0, this.#space.block, 1) !== 0
  }

  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void {
    const address = addressOf(hi, lo)
    this.copied = 0
    if (length <= AHEAD_BYTES) return this.#copyAhead(address, into, offset, length)
    while (this.copied < length) {
      const part = Math.min(length - this.copied, BLOCK_BYTES)
      const { bytes } = this.#system.arena
      const { block } = this.#space
      const read = this.#system.readProcess(this.#tid, address + this.copied, block, part)
      if (read > 0) into.set(bytes.subarray(block, block + read), offset + this.copied)
      this.#count(read, part)
    }
  }

  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void {
    const address = addressOf(hi, lo)
    this.copied = 0
    this.#aheadBytes = 0
    while (this.copied < length) {
      const part = Math.min(length - this.copied, BLOCK_BYTES)
      const { block } = this.#space
      const start = offset + this.copied
      this.#system.arena.bytes.set(from.subarray(start, start + part), block)
      this.#count(this.#system.writeProcess(this.#tid, address + this.copied, block, part), part)
    }
  }

  pin(hi: number, lo: number, write: boolean): number {
    const address = addressOf(hi, lo)
    const mapping = this.#checkAccess(address, write)
    const memory = mapping.shared ? this.#memoryOf(mapping) : undefined
    if (memory !== undefined) return this.#shared.pin(memory, pageIn(mapping, address))
    if (mapping.writable) this.#system.touchForWriting(this.#tid, address)
    const page = Math.floor(address / PAGE_BYTES)
    const known = this.#frames.get(page)
    if (known !== undefined) {
      this.#pages.pinAgain(known)
      return known
    }
    const frame = this.#pages.add(this, page, mapping.pageBytes > PAGE_BYTES)
    this.#frames.set(page, frame)
    return frame
  }

  unpinPage(frame: number, _dirty: boolean): void {
    this.#pages.unpin(frame)
  }

  pinCountAt(hi: number, lo: number): number | undefined {
    const address = addressOf(hi, lo)
    const mapping = this.#checkAccess(address, false)
    if (mapping.pageBytes > PAGE_BYTES) return undefined
    const frame = this.#frameAt(mapping, address)
    return frame === undefined ? 0 : this.#pages.pinsOf(frame)
  }

  readFrame(frame: number, at: number, into: Uint8Array, offset: number, length: number): void {
    if (!this.#pages.readFrame(frame, at, into, offset, length)) throw EFAULT
  }

  writeFrame(frame: number, at: number, from: Uint8Array, offset: number, length: number): void {
    if (!this.#pages.writeFrame(frame, at, from, offset, length)) throw EFAULT
  }

  /** Of a page that nobody has pinned: a frame that is nobody's. */
  frameForRead(page: number): number {
    const address = page * PAGE_BYTES
    return this.#frameAt(this.#checkAccess(address, false), address) ?? NO_FRAME
  }

  /** The process is about to leave its memory: pages that are pinned stay what they are now. */
  preserve(): void {
    this.#shared.preserve()
    this.#kept.clear()
    for (const page of this.#frames.keys()) {
      const bytes = new Uint8Array(PAGE_BYTES)
      if (this.readPage(page, 0, bytes, 0, PAGE_BYTES)) this.#kept.set(page, bytes)
    }
  }

  grab(): void {
    this.#references++
  }

  drop(): void {
    this.#references--
    if (this.#references > 0) return
    if (this.#file >= 0) closeSync(this.#file)
    this.#mappings.close()
  }

  /** A program ends by itself. */
  exit(): void {}

  readPage(page: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const { block } = this.#space
    const read = this.#system.readAt(this.#file, page * PAGE_BYTES + offset, block, length)
    if (read === length) {
      into.set(this.#system.arena.bytes.subarray(block, block + length), at)
      return true
    }
    const kept = read === 0 ? this.#kept.get(page) : undefined
    if (kept !== undefined) into.set(kept.subarray(offset, offset + length), at)
    return kept !== undefined
  }

  writePage(page: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const { block } = this.#space
    const bytes = from.subarray(at, at + length)
    this.#system.arena.bytes.set(bytes, block)
    const written = this.#system.writeAt(this.#file, page * PAGE_BYTES + offset, block, length)
    if (written === length) return true
    const kept = written === 0 ? this.#kept.get(page) : undefined
    kept?.set(bytes, offset)
    return kept !== undefined
  }

  findShared({ device, inode }: SharedMemory, page: number): number | undefined {
    return this.#mappings.findFile(device, inode, page * PAGE_BYTES)
  }

  readAddress(address: number, at: number, lengthBytes: number): boolean {
    return this.#system.readAt(this.#file, address, at, lengthBytes) === lengthBytes
  }

  writeAddress(address: number, at: number, lengthBytes: number): boolean {
    return this.#system.writeAt(this.#file, address, at, lengthBytes) === lengthBytes
  }

  forget(page: number): void {
    this.#frames.delete(page)
    this.#kept.delete(page)
  }

  #frameAt(mapping: Mapping, address: number): number | undefined {
    if (!mapping.shared) return this.#frames.get(Math.floor(address / PAGE_BYTES))
    return this.#shared.frameAt(this.#memoryOf(mapping), pageIn(mapping, address))
  }

  #memoryOf({ start, end, device, inode, pageBytes }: Mapping): SharedMemory {
    const path = `/proc/${this.#tgid}/map_files/${start.toString(16)}-${end.toString(16)}`
    return { device, inode, path, isHuge: pageBytes > PAGE_BYTES }
  }

  /** The auxiliary vector, and the sixteen random bytes that it points to: made anew at every exec. */
  #stampOf(tgid: number): string {
    const vector = readVector(tgid)
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readUInt32LE(at) !== AT_RANDOM) continue
      const { block } = this.#space
      const address = toNumber(vector.readInt32LE(at + 12), vector.readInt32LE(at + 8))
      const read = Math.max(0, this.#system.readProcess(tgid, address, block, 16))
      const random = this.#system.arena.bytes.slice(block, block + read)
      return `${vector.toString('hex')} ${Buffer.from(random).toString('hex')}`
    }
    return vector.toString('hex')
  }

  /** Small structs are read word by word: what stands behind the first word comes along. */
  #copyAhead(address: number, into: Uint8Array, offset: number, length: number): void {
    const { bytes } = this.#system.arena
    const { ahead } = this.#space
    let at = address - this.#aheadAddress
    if (at < 0 || at + length > this.#aheadBytes) {
      const inPage = PAGE_BYTES - (address & PAGE_MASK)
      const wanted = Math.max(length, Math.min(AHEAD_BYTES, inPage))
      const read = this.#system.readProcess(this.#tid, address, ahead, wanted)
      this.#aheadAddress = address
      this.#aheadBytes = Math.max(read, 0)
      at = 0
    }
    const there = Math.min(length, this.#aheadBytes - at)
    for (let i = 0; i < there; i++) into[offset + i] = bytes[ahead + at + i]!
    this.#count(there, length)
  }

  #count(moved: number, wanted: number): void {
    if (moved > 0) this.copied += moved
    if (moved !== wanted) throw EFAULT
  }

  /** Faults the page in. EFAULT: not mapped, not allowed, or behind the end of its file. */
  #checkAccess(address: number, write: boolean): Mapping {
    const mapping = this.#mappings.find(address)
    if (mapping === undefined || !(write ? mapping.writable : mapping.readable)) throw EFAULT
    if (mapping.inode !== 0 && this.#isDevice(mapping.device, mapping.inode)) throw EFAULT
    if (this.#system.readAt(this.#file, address, this.#space.block, 1) !== 1) throw EFAULT
    return mapping
  }
}

/** Number of the page in the file behind a mapping. */
function pageIn({ start, offset }: Mapping, address: number): number {
  return Math.floor((address - start + offset) / PAGE_BYTES)
}

/** Whether the process has not ended. */
export function hasMemory(tgid: number): boolean {
  return readVector(tgid).length > 0
}

function readVector(tgid: number): Buffer {
  try {
    return readFileSync(`/proc/${tgid}/auxv`)
  } catch {
    return Buffer.alloc(0)
  }
}

/** EFAULT: no program has such addresses. */
function addressOf(hi: number, lo: number): number {
  if (hi >>> 0 >= ADDRESS_HI_END) throw EFAULT
  return toNumber(hi, lo)
}
