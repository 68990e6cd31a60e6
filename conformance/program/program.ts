// SPDX-License-Identifier: MIT
/** What both sides execute: operations as plain numbers and bytes. No ioctl is known here. */

export const OPERATION = {
  open: 1,
  ioctl: 2,
  read: 3,
  write: 4,
  pread: 5,
  pwrite: 6,
  lseek: 7,
  poll: 8,
  close: 9,
  dup: 10,
  dup3: 11,
  fcntl: 12,
  fork: 13,
  exit: 14,
  mmap: 15,
  munmap: 16,
  mprotect: 17,
  madvise: 18,
  memfd: 19,
  ftruncate: 20,
  poke: 21,
  peek: 22,
  setrlimit: 23,
  dropCapability: 24,
  sendFd: 25,
  receiveFd: 26,
  counter: 27,
} as const

export type OperationCode = (typeof OPERATION)[keyof typeof OPERATION]

/** `open`: what the first argument says. */
export const PATHS = ['/dev/iommu', '/dev/vfio/vfio', '/dev/null'] as const
/** `setrlimit`: what the first argument says. */
export const LIMITS = ['memlock', 'nofile'] as const
/** `dropCapability`: what the first argument says. */
export const CAPABILITIES = ['CAP_IPC_LOCK', 'CAP_SYS_RESOURCE'] as const
/** `counter`: lines of /proc/self/status, in pages. */
export const COUNTERS = ['VmPin', 'VmLck'] as const

export const ROLES_MAX = 8
/** In the place of the number of an allocation. */
export const FAIL_ALL = 0xffff
export const ARGUMENTS = 6

/** Mapped in every process of a case before its first operation, private and anonymous; what follows is a hole. */
export const ARENA = { address: 0x1000_0000, bytes: 0x10_0000 } as const
/** Where buffers without an address lie; all zero before and after each operation. */
export const SCRATCH = { address: 0x2000_0000, bytes: 0x4_0000 } as const

/** Bytes in the caller's memory: written before the operation, read after it. */
export interface ProgramBuffer {
  readonly address: bigint
  readonly bytes: Uint8Array
  /** Zeroed after the operation: buffers in the scratch area. */
  readonly isScratch: boolean
}

/** A number that an earlier operation produced, put into an argument or a buffer. */
export interface Patch {
  /** The argument, or the buffer and the offset in it. */
  readonly into:
    | { readonly argument: number }
    | { readonly buffer: number; readonly offset: number; readonly bytes: 2 | 4 | 8 }
  /** Index of the earlier operation. */
  readonly operation: number
  /** Its return value, or bytes of one of its buffers after it. */
  readonly from:
    | 'returned'
    | { readonly buffer: number; readonly offset: number; readonly bytes: 1 | 2 | 4 | 8 }
  readonly plus: bigint
}

export interface Operation {
  readonly code: OperationCode
  /** The process that executes it: 0 is the first. */
  readonly role: number
  readonly arguments: readonly bigint[]
  readonly buffers: readonly ProgramBuffer[]
  readonly patches: readonly Patch[]
  /** The n-th allocation of the operation fails (from 1); 0: none; FAIL_ALL: every one. */
  readonly failNth: number
  /** Our failure point that stands for it: its first hit fails. */
  readonly failPoint?: string
}

export interface Program {
  readonly operations: readonly Operation[]
}

/** Bytes that an operation changed, from the start of a buffer. */
export interface Run {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface Answer {
  /** What the call returned; minus errno when it failed. */
  readonly returned: bigint
  /** For each buffer, what was changed, ascending. */
  readonly changed: readonly (readonly Run[])[]
}

export interface ProgramResult {
  readonly answers: readonly Answer[]
  /** Set when the program did not reach its end: why, and at which operation. */
  readonly ended: { readonly why: string; readonly operation: number } | undefined
}

/** The longest runs of bytes that differ. */
export function changedRuns(before: Uint8Array, after: Uint8Array): Run[] {
  const runs: Run[] = []
  for (let at = 0; at < before.length; at++) {
    if (before[at] === after[at]) continue
    const start = at
    while (at < before.length && before[at] !== after[at]) at++
    runs.push({ offset: start, bytes: after.slice(start, at) })
  }
  return runs
}
