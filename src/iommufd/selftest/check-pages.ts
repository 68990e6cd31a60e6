// SPDX-License-Identifier: MIT
import { EINVAL, EIO, ENOENT, EOVERFLOW } from '../../base/errno.ts'
import { pageOf } from '../../base/u64.ts'
import { MockPagingDomain } from '../../kernel/drivers/mock/paging-domain.ts'
import type { TestCmdCheckMap, TestCmdCheckRefs, TestCmdMemoryLimit } from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'
import { HwptObject } from '../objects/hwpt/hwpt.ts'
import { Sum } from '../objects/ioas/span.ts'
import { OBJECT_HWPT_PAGING } from '../objects/object-table.ts'

const PAGE_MASK = 4095
const LAST_PAGE = 2 ** 52 - 1
/** What one page of the kernel's lists takes at least. */
const MEMORY_LIMIT_MIN = 12

/** The two addresses of a check as it goes on. */
const iova = new Sum()
const user = new Sum()
const end = new Sum()

/** The mock's page table behind an id. ENOENT; EINVAL: another driver's. */
export function getMockPaging(context: Context, id: number): MockPagingDomain {
  const object = context.objects.find(id)
  if (!(object instanceof HwptObject) || object.type !== OBJECT_HWPT_PAGING) throw ENOENT
  if (!(object.domain instanceof MockPagingDomain)) throw EINVAL
  return object.domain
}

/** MD_CHECK_MAP: each piece of the page table's smallest page translates to the caller's own memory. EINVAL, EFAULT, EOVERFLOW. */
export function checkMap(context: Context, command: TestCmdCheckMap, caller: Caller): void {
  const domain = getMockPaging(context, command.id)
  const { iova_hi, iova_lo, length_hi, length_lo, uptr_hi, uptr_lo } = command
  const step = 2 ** domain.pageShift
  if (((iova_lo | length_lo | uptr_lo) & (step - 1)) !== 0) throw EINVAL
  if (wraps(uptr_hi, uptr_lo, length_hi, length_lo)) throw EINVAL
  const steps = (length_hi >>> 0) * (2 ** 32 / step) + (length_lo >>> domain.pageShift)
  iova.add(iova_hi, iova_lo, 0, 0)
  user.add(uptr_hi, uptr_lo, 0, 0)
  for (let done = 0; done < steps; done++) {
    checkStep(domain, caller)
    iova.add(iova.hi, iova.lo, 0, step)
    user.add(user.hi, user.lo, 0, step)
  }
}

/** MD_CHECK_REFS: each page of the caller is pinned so many times; parts of huge pages are left out. EINVAL, EFAULT, EIO. */
export function checkRefs(_context: Context, command: TestCmdCheckRefs, caller: Caller): void {
  const { length_hi, length_lo, uptr_hi, uptr_lo } = command
  if (((length_lo | uptr_lo) & PAGE_MASK) !== 0) throw EINVAL
  if (wraps(uptr_hi, uptr_lo, length_hi, length_lo)) throw EINVAL
  const refs = command.refs >>> 0
  const pages = pageOf(length_hi, length_lo)
  user.add(uptr_hi, uptr_lo, 0, 0)
  for (let done = 0; done < pages; done++) {
    const pins = caller.mm.pinCountAt(user.hi, user.lo)
    if (pins !== undefined && pins !== refs) throw EIO
    user.add(user.hi, user.lo, 0, PAGE_MASK + 1)
  }
}

/** SET_TEMP_MEMORY_LIMIT: how much the kernel works on at a time, which nobody sees. EINVAL: too little for anything. */
export function setMemoryLimit(_context: Context, command: TestCmdMemoryLimit): void {
  if (command.limit >>> 0 < MEMORY_LIMIT_MIN) throw EINVAL
}

function checkStep(domain: MockPagingDomain, caller: Caller): void {
  const frame = frameOfCaller(caller, pageOf(user.hi, user.lo))
  if (domain.physicalOf(iova.hi, iova.lo) !== frame * 4096 + (user.lo & PAGE_MASK)) throw EINVAL
}

/** The frame behind one of the caller's pages. EFAULT; EOVERFLOW: the end of the last page is no address. */
export function frameOfCaller(caller: Caller, page: number): number {
  if (page === LAST_PAGE) throw EOVERFLOW
  return caller.mm.frameForRead(page)
}

/** Whether address and length leave 64 bits, one past the last byte included. */
function wraps(hi: number, lo: number, lengthHi: number, lengthLo: number): boolean {
  end.add(hi, lo, lengthHi, lengthLo)
  return end.overflow
}
