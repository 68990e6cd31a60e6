// SPDX-License-Identifier: MIT
import { EINVAL, ENODEV, ENOMEM } from '../../base/errno.ts'
import { Memfd } from '../../kernel/mm/memfd.ts'
import {
  F_SEAL_EXEC,
  F_SEAL_SEAL,
  MAP_HUGE_SHIFT,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  MFD_HUGETLB,
  MFD_NOEXEC_SEAL,
} from './constants.ts'
import type { MemoryCaller } from './memory-calls.ts'
import { MemfdFile } from './memfd-file.ts'
import { Seals } from './seals.ts'

const FLAGS = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC
const HUGE_SIZE = 0x3f << MAP_HUGE_SHIFT
const HUGE_PAGE_LOG = 21

/** memfd_create(2). EINVAL: flags; EMFILE; ENODEV: a size of huge pages that there is not; ENOMEM. */
export function memfdCreate(caller: MemoryCaller, flags: number): number {
  const huge = (flags & MFD_HUGETLB) !== 0
  const both = MFD_NOEXEC_SEAL | MFD_EXEC
  if ((flags & ~(huge ? FLAGS | HUGE_SIZE : FLAGS)) !== 0 || (flags & both) === both) throw EINVAL
  const fd = caller.files.reserve((flags & MFD_CLOEXEC) !== 0)
  try {
    const log = (flags >>> MAP_HUGE_SHIFT) & 0x3f
    if (log !== 0 && log !== HUGE_PAGE_LOG) throw ENODEV
    if (caller.mm.failpoints.hit('alloc_file')) throw ENOMEM
    const memfd = new Memfd({ frames: caller.mm.frames, huge })
    caller.files.install(fd, new MemfdFile(memfd, new Seals(sealsOf(flags))))
  } catch (thrown) {
    caller.files.unreserve(fd)
    throw thrown
  }
  return fd
}

/** What a new memfd is sealed with: without MFD_ALLOW_SEALING, against seals. */
function sealsOf(flags: number): number {
  if ((flags & MFD_NOEXEC_SEAL) !== 0) return F_SEAL_EXEC
  return (flags & MFD_ALLOW_SEALING) === 0 ? F_SEAL_SEAL : 0
}
