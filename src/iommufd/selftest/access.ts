// SPDX-License-Identifier: MIT
import { EBADE, EMFILE, ENOMEM, EOPNOTSUPP } from '../../base/errno.ts'
import { pageOf } from '../../base/u64.ts'
import type {
  TestCmdAccessPages,
  TestCmdAccessReplaceIoas,
  TestCmdAccessRw,
  TestCmdCreateAccess,
  TestCmdDestroyAccessPages,
} from '../abi/index.ts'
import type { Caller } from '../files.ts'
import { ACCESS_RW_SLOW_PATH, ACCESS_RW_WRITE } from '../objects/access/access.ts'
import type { Context } from '../objects/context.ts'
import { TEST_SYZKALLER_ADDRESS, syzkallerAddress } from '../objects/ioas/ioas-copy.ts'
import { Iova } from '../objects/ioas/iova-alloc.ts'
import { AccessFile, getAccessFile } from './access-file.ts'
import { frameOfCaller } from './check-pages.ts'

const CREATE_NEEDS_PIN_PAGES = 1
/** Longest pin, read or write. */
const LENGTH_MAX = 16 * 2 ** 20
const PAGE_MASK = 4095
const PAGES_FLAGS: number = ACCESS_RW_WRITE | TEST_SYZKALLER_ADDRESS
const RW_FLAGS: number = PAGES_FLAGS | ACCESS_RW_SLOW_PATH

const iova = new Iova()

/** CREATE_ACCESS: EOPNOTSUPP (flags), ENOMEM (also without a free descriptor), ENOENT, EADDRINUSE. */
export function createTestAccess(context: Context, command: TestCmdCreateAccess, caller: Caller): void {
  if ((command.flags & ~CREATE_NEEDS_PIN_PAGES) !== 0) throw EOPNOTSUPP
  const fd = reserveDescriptor(caller)
  context.onAbort(() => caller.files.unreserve(fd))
  const file = new AccessFile(context, command.flags !== 0)
  context.onAbort(() => file.put())
  file.access.attach(command.id)
  context.onFinish(() => caller.files.install(fd, file))
  command.out_access_fd = fd
}

/** DESTROY_ACCESS_PAGES: EBADFD, ENOENT. */
export function destroyAccessPages(
  _context: Context,
  command: TestCmdDestroyAccessPages,
  caller: Caller,
): void {
  getAccessFile(caller, command.id).forget(command.access_pages_id)
}

/** ACCESS_PAGES: the pins of `spec/02` §4; EBADE when a page is not the caller's at `uptr`. */
export function accessPages(context: Context, command: TestCmdAccessPages, caller: Caller): void {
  const { flags, length_lo } = command
  if (isTooLong(command)) throw ENOMEM
  if ((flags & ~PAGES_FLAGS) !== 0) throw EOPNOTSUPP
  const file = getAccessFile(caller, command.id)
  if (!file.needsPinPages) throw EOPNOTSUPP
  takeIova(file, command)
  const { hi, lo } = iova
  const frames = new Int32Array(((lo & PAGE_MASK) + length_lo + PAGE_MASK) >>> 12)
  file.access.pinPages(hi, lo, 0, length_lo, flags & ACCESS_RW_WRITE, frames)
  try {
    if ((command.uptr_hi | command.uptr_lo) !== 0) checkFrames(frames, caller, command, lo & PAGE_MASK)
  } catch (thrown) {
    file.access.unpinPages(hi, lo, 0, length_lo)
    throw thrown
  }
  const item = file.remember(hi, lo, 0, length_lo)
  context.onAbort(() => file.forget(item))
  command.out_access_pages_id = item
}

/** ACCESS_RW: EBADFD, EFAULT (the caller's buffer before a write, after a read), and those of `spec/02` §4. */
export function accessRw(context: Context, command: TestCmdAccessRw, caller: Caller): void {
  const { flags, length_lo, uptr_hi, uptr_lo } = command
  if (isTooLong(command)) throw ENOMEM
  if ((flags & ~RW_FLAGS) !== 0) throw EOPNOTSUPP
  const file = getAccessFile(caller, command.id)
  if (context.world.failpoints.hit('alloc_access_buffer')) throw ENOMEM
  const bytes = new Uint8Array(length_lo)
  const writes = (flags & ACCESS_RW_WRITE) !== 0
  takeIova(file, command)
  const { hi, lo } = iova
  if (writes) caller.memory.copyIn(uptr_hi, uptr_lo, bytes, 0, length_lo)
  file.access.rw(hi, lo, bytes, flags & (ACCESS_RW_WRITE | ACCESS_RW_SLOW_PATH), caller)
  if (!writes) caller.memory.copyOut(uptr_hi, uptr_lo, bytes, 0, length_lo)
}

/** ACCESS_REPLACE_IOAS: EBADFD, ENOENT, EADDRINUSE. */
export function accessReplaceIoas(
  _context: Context,
  command: TestCmdAccessReplaceIoas,
  caller: Caller,
): void {
  getAccessFile(caller, command.id).access.replace(command.ioas_id)
}

/** No free number is ENOMEM here, and nowhere else. */
function reserveDescriptor(caller: Caller): number {
  try {
    return caller.files.reserve()
  } catch (thrown) {
    throw thrown === EMFILE ? ENOMEM : thrown
  }
}

function isTooLong({
  length_hi,
  length_lo,
}: {
  readonly length_hi: number
  readonly length_lo: number
}): boolean {
  return length_hi !== 0 || length_lo >>> 0 > LENGTH_MAX
}

/** The command's address, in `iova`. */
function takeIova(file: AccessFile, command: TestCmdAccessPages | TestCmdAccessRw): void {
  iova.hi = command.iova_hi
  iova.lo = command.iova_lo
  const { ioas } = file.access
  if ((command.flags & TEST_SYZKALLER_ADDRESS) !== 0 && ioas !== undefined) syzkallerAddress(ioas, iova)
}

/** EBADE, EFAULT, EOVERFLOW. */
function checkFrames(frames: Int32Array, caller: Caller, command: TestCmdAccessPages, offset: number): void {
  const low = (command.uptr_lo >>> 0) - offset
  const first = pageOf(low < 0 ? (command.uptr_hi - 1) | 0 : command.uptr_hi, low | 0)
  for (let index = 0; index < frames.length; index++)
    if (frameOfCaller(caller, first + index) !== frames[index]) throw EBADE
}
