// SPDX-License-Identifier: MIT
import { EBADF, EINVAL, ENOMEM } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import type { Mm } from '../../kernel/mm/mm.ts'
import { PROT_ALL } from '../../kernel/mm/prot.ts'
import {
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_SEM,
} from './constants.ts'

const PAGE = 4096n
/** First address past user space. */
const USER_END = 0x7fff_ffff_f000n
/** Past any address space: a longer range ends in the same hole. */
const RANGE_MAX = 1n << 48n
const WORD = 1n << 64n

/** munmap(2). EINVAL: not a page, nothing, or not in user space. */
export function munmap(mm: Mm, address: bigint, lengthBytes: bigint): void {
  if (address % PAGE !== 0n || address > USER_END || lengthBytes > USER_END - address) throw EINVAL
  if (lengthBytes === 0n) throw EINVAL
  mm.munmap(address, Number(lengthBytes))
}

/** mprotect(2). EINVAL; ENOMEM: a hole; EACCES: more than the file allows. What lies below has been changed. */
export function mprotect(mm: Mm, address: bigint, lengthBytes: bigint, prot: number): void {
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP) || address % PAGE !== 0n) throw EINVAL
  if (lengthBytes === 0n) return
  const length = roundUp(lengthBytes)
  if (length === 0n || address + length >= WORD) throw ENOMEM
  if ((prot & ~(PROT_ALL | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) throw EINVAL
  if (mm.findVma(hiOf(address), loOf(address)) === undefined) throw ENOMEM
  if (grows !== 0) throw EINVAL
  mm.mprotect(address, rangeBytes(length), prot & PROT_ALL)
}

/** madvise(2). EINVAL; ENOMEM: a hole, the rest has been done; EBADF: WILLNEED without a file, as without swap. */
export function madvise(mm: Mm, address: bigint, lengthBytes: bigint, advice: number): void {
  if (!ADVICE.has(advice) || address % PAGE !== 0n) throw EINVAL
  const length = roundUp(lengthBytes)
  if ((length === 0n && lengthBytes !== 0n) || address + length > WORD) throw EINVAL
  if (length === 0n) return
  ADVICE.get(advice)!(mm, address, rangeBytes(length))
}

type Advice = (mm: Mm, address: bigint, lengthBytes: number) => void

function onlyCheck(mm: Mm, address: bigint, lengthBytes: number): void {
  mm.checkMapped(address, lengthBytes)
}

const ADVICE: ReadonlyMap<number, Advice> = new Map<number, Advice>([
  [MADV_NORMAL, onlyCheck],
  [MADV_RANDOM, onlyCheck],
  [MADV_SEQUENTIAL, onlyCheck],
  [
    MADV_WILLNEED,
    (mm, address, lengthBytes) => {
      if (mm.findVma(hiOf(address), loOf(address))?.object === undefined) throw EBADF
      mm.checkMapped(address, lengthBytes)
    },
  ],
  [MADV_DONTNEED, (mm, address, lengthBytes) => mm.discard(address, lengthBytes)],
  [MADV_DONTFORK, (mm, address, lengthBytes) => mm.setDontFork(address, lengthBytes, true)],
  [MADV_DOFORK, (mm, address, lengthBytes) => mm.setDontFork(address, lengthBytes, false)],
])

/** Whole pages, modulo 2^64. */
function roundUp(lengthBytes: bigint): bigint {
  return BigInt.asUintN(64, ((lengthBytes + PAGE - 1n) / PAGE) * PAGE)
}

function rangeBytes(length: bigint): number {
  return Number(length < RANGE_MAX ? length : RANGE_MAX)
}
