// SPDX-License-Identifier: MIT
import { EFAULT } from '../base/errno.ts'

/** A process's memory as the kernel copies from and to it. */
export interface UserMemory {
  /** Bytes that the last copy moved before it ended or failed. */
  readonly copied: number
  /** Copies `length` bytes at the address into `into` from `offset`. EFAULT; bytes before the fault may be there. */
  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void
  /** Copies `length` bytes of `from` from `offset` to the address. EFAULT; bytes before the fault may be there. */
  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void
}

/** What is asked of a process's address space: `kernel/mm`'s, or another program's behind the same calls. */
export interface AddressSpace extends UserMemory {
  /** Pages pinned for devices, and pages locked: counters of the mm (VmPin, VmLck). */
  pinnedVm: number
  lockedVm: number
  /** Whether anybody uses the memory still: what a process that has exited leaves cannot be pinned. */
  readonly alive: boolean
  /** Long-term pin of the 4 KiB page at the address; returns its frame. EFAULT, ENOMEM. */
  pin(hi: number, lo: number, write: boolean): number
  unpinPage(frame: number, dirty: boolean): void
  /** Bytes of a frame that is pinned. */
  readFrame(frame: number, at: number, into: Uint8Array, offset: number, length: number): void
  writeFrame(frame: number, at: number, from: Uint8Array, offset: number, length: number): void
  /** Pins of the page at the address, which is faulted in; `undefined`: a part of a huge page. EFAULT, ENOMEM. */
  pinCountAt(hi: number, lo: number): number | undefined
  /** Frame of a page, which is faulted in for reading; not pinned. EFAULT, ENOMEM. */
  frameForRead(page: number): number
  /** A reference to the struct, which outlives the process. */
  grab(): void
  drop(): void
  /** The process ends. */
  exit(): void
}

/** Memory of a file (memfd, hugetlb) as it is pinned for devices. */
export interface FilePages {
  /** Pins the page for long; returns its frame. EINVAL: past the end; ENOMEM. */
  pin(page: number): number
  unpin(frame: number, dirty: boolean): void
}

/** The buffer of a read or write. */
export interface UserBuffer {
  readonly lengthBytes: number
  /** Set when the bytes can be reached directly. */
  readonly view: DataView | undefined
  /** Bytes that the last copy moved before it ended or failed. */
  readonly copied: number
  copyIn(position: number, into: Uint8Array, length: number): void
  copyOut(position: number, from: Uint8Array, length: number): void
}

/** A buffer of our own, for the typed door. */
export class BytesBuffer implements UserBuffer {
  readonly bytes: Uint8Array
  /** May be set lower than the bytes there are. */
  lengthBytes: number
  copied = 0
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.lengthBytes = bytes.length
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  copyIn(position: number, into: Uint8Array, length: number): void {
    for (let i = 0; i < length; i++) into[i] = this.bytes[position + i]!
    this.copied = length
  }

  copyOut(position: number, from: Uint8Array, length: number): void {
    for (let i = 0; i < length; i++) this.bytes[position + i] = from[i]!
    this.copied = length
  }
}

/** A buffer in a process's memory. */
export class MemoryBuffer implements UserBuffer {
  readonly view: undefined = undefined
  readonly lengthBytes: number
  readonly #memory: UserMemory
  readonly #hi: number
  readonly #lo: number

  constructor(memory: UserMemory, hi: number, lo: number, lengthBytes: number) {
    this.#memory = memory
    this.#hi = hi
    this.#lo = lo
    this.lengthBytes = lengthBytes
  }

  get copied(): number {
    return this.#memory.copied
  }

  copyIn(position: number, into: Uint8Array, length: number): void {
    this.#memory.copyIn(this.#hiAt(position), (this.#lo + position) | 0, into, 0, length)
  }

  copyOut(position: number, from: Uint8Array, length: number): void {
    this.#memory.copyOut(this.#hiAt(position), (this.#lo + position) | 0, from, 0, length)
  }

  /** EFAULT past the end of the address space. */
  #hiAt(position: number): number {
    const hi = (this.#hi >>> 0) + ((this.#lo >>> 0) + position > 0xffffffff ? 1 : 0)
    if (hi > 0xffffffff) throw EFAULT
    return hi | 0
  }
}
