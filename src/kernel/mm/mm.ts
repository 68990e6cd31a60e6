// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { MemoryObject } from './memory-object.ts'
import type { Vma } from './vma.ts'

/** A secondary TLB (an IOMMU's) over an address space. Must not change the address space from inside a call. */
export interface MmNotifier {
  /** Pages `startPage` up to (not including) `endPage` changed; no frame of them is reused before this returns. */
  invalidate(startPage: number, endPage: number): void
  /** The last user is gone; page tables go right after. No `invalidate` follows. */
  release(): void
}

export interface MmOptions {
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly failpoints: Failpoints
  /** Where mappings without an address go. Default top-down, as Linux does. */
  readonly placement?: 'top-down' | 'bottom-up'
}

export interface MmapOptions {
  readonly lengthBytes: number
  /** PROT_ bits. */
  readonly prot: number
  /** Fixed place (MAP_FIXED: what is there goes away). Default: first fit. */
  readonly address?: bigint
  /** With `address`: EEXIST when something is there. */
  readonly noReplace?: boolean
  /** Shared with children and devices alike; private otherwise. */
  readonly shared?: boolean
  /** What stands behind the mapping; anonymous memory otherwise. */
  readonly object?: MemoryObject
  /** First page of `object` that is mapped. Default 0. */
  readonly objectPage?: number
  /** Fault every page in now. */
  readonly populate?: boolean
}

export declare class Mm {
  /** x86-64 4-level; SVA shares it. */
  readonly table: PageTable
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  /** Process-wide PASID of SVA; -1 until the first bind. */
  pasid: number
  /** Counters that iommufd charges: VmPin and VmLck, in pages. */
  pinnedVm: number
  lockedVm: number
  constructor(options: MmOptions)

  /** Users (mm_users): at 0 the address space is torn down. The process itself is the first. */
  get users(): number
  /** Takes a user unless the address space is already gone (mmget_not_zero). */
  getNotZero(): boolean
  putUser(): void
  /** References to the struct (mm_count): outlive the address space. */
  grab(): void
  drop(): void
  /** Called once, when the last struct reference is dropped. */
  whenFreed(callback: () => void): void
  addNotifier(notifier: MmNotifier): void
  removeNotifier(notifier: MmNotifier): void

  mmap(options: MmapOptions): bigint
  munmap(address: bigint, lengthBytes: number): void
  mprotect(address: bigint, lengthBytes: number, prot: number): void
  /** Drops the pages, keeps the mapping (madvise DONTNEED). */
  discard(address: bigint, lengthBytes: number): void
  fork(): Mm
  /** The process ends: puts its user. */
  exit(): void

  /** The area that holds the address: no stack growth. */
  findVma(hi: number, lo: number): Vma | undefined
  /** handle_mm_fault: VM_FAULT_ bits. */
  handleFault(hi: number, lo: number, flags: number): number

  /** Long-term pin of the page at the address. Returns its frame. EFAULT, ENOMEM. */
  pin(hi: number, lo: number, write: boolean): number
  /** The same by page number. */
  pinPage(page: number, write: boolean): number
  unpinPage(frame: number, dirty: boolean): void

  /** Frame of a page after faulting it in for a write; no pin. EFAULT, ENOMEM. */
  frameForWrite(page: number): number
  frameForRead(page: number): number

  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void
  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void
  /** Bytes copied before the fault of the last copyIn or copyOut. */
  copied: number
  /** The owner program's loads and stores. */
  read(address: bigint, into: Uint8Array): void
  write(address: bigint, from: Uint8Array): void
}
