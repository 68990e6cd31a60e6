// SPDX-License-Identifier: MIT
import { EINVAL, EOVERFLOW } from '../../base/errno.ts'
import { toBigint, toNumber } from '../../base/u64.ts'
import type { MockPagingDomain } from '../../kernel/drivers/mock/paging-domain.ts'
import type { TestCmdDirty } from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'
import { Sum } from '../objects/ioas/span.ts'
import { getMockPaging } from './check-pages.ts'

/** Longest bitmap. */
const BITS_MAX = 2 ** 27

const iova = new Sum()

/** DIRTY: as if a device wrote each page whose bit is set. EINVAL, EOVERFLOW, ENOENT, EFAULT (`spec/03` §5.3). */
export function setDirty(context: Context, command: TestCmdDirty, caller: Caller): void {
  const bits = bitsOf(command)
  const domain = getMockPaging(context, command.id)
  if (!domain.tracking) throw EINVAL
  const bitmap = new Uint8Array(Math.ceil(bits / 8))
  caller.memory.copyIn(command.uptr_hi, command.uptr_lo, bitmap, 0, bitmap.length)
  command.out_nr_dirty_lo = markAll(domain, command, bitmap, bits)
  command.out_nr_dirty_hi = 0
}

function bitsOf(command: TestCmdDirty): number {
  const { iova_hi, iova_lo, length_hi, length_lo, page_size_hi, page_size_lo } = command
  const length = toBigint(length_hi, length_lo)
  const pageSize = toBigint(page_size_hi, page_size_lo)
  if (pageSize === 0n || length === 0n || (command.uptr_hi | command.uptr_lo) === 0) throw EINVAL
  if (toBigint(iova_hi, iova_lo) % pageSize !== 0n || length % pageSize !== 0n) throw EINVAL
  const bits = length / pageSize
  if (bits > BigInt(BITS_MAX)) throw EOVERFLOW
  return Number(bits)
}

/** Returns how many bits are set. */
function markAll(domain: MockPagingDomain, command: TestCmdDirty, bitmap: Uint8Array, bits: number): number {
  let marked = 0
  for (let bit = 0; bit < bits; bit++) {
    if ((bitmap[bit >> 3]! & (1 << (bit & 7))) === 0) continue
    const offset = bit * toNumber(command.page_size_hi, command.page_size_lo)
    iova.add(command.iova_hi, command.iova_lo, Math.floor(offset / 2 ** 32) | 0, offset | 0)
    domain.setDirty(iova.hi, iova.lo)
    marked++
  }
  return marked
}
