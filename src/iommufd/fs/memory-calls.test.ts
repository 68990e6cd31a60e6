// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import { ENXIO } from '../../base/errno.ts'
import { DeviceMemory } from '../../kernel/mm/device-memory.ts'
import { type Caller, type Mapping, type MmapRequest, OpenFile } from '../files.ts'
import type { Process } from '../process.ts'
import {
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_WILLNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_SYNC,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from './constants.ts'
import type { MmapArguments } from './memory-calls.ts'
import {
  A,
  EXEC,
  outcome,
  PAGE,
  PRIVATE,
  ProcessRig,
  peekByte,
  pokeByte,
  READ,
  RW,
  result,
  SHARED,
  WRITE,
} from './process-rig.suite.ts'

/** As an iommufd with one region of two pages at offset 4096. */
class RegionFile extends OpenFile {
  override readonly executable: boolean = true
  owners = 0
  releases = 0
  readonly firstFrame: number

  constructor(firstFrame: number) {
    super('/dev/region')
    this.firstFrame = firstFrame
  }

  override mmap(_caller: Caller, { firstPage, pages }: MmapRequest): Mapping {
    if (firstPage !== 1 || pages !== 2) throw ENXIO
    const owner = {
      get: () => {
        this.owners++
      },
      put: () => {
        this.owners--
      },
    }
    return { object: new DeviceMemory(this.firstFrame, 2), objectPage: 0, owner }
  }

  protected override release(): void {
    this.releases++
  }
}

let rig: ProcessRig
let process: Process
let region: RegionFile

beforeEach(() => {
  rig = new ProcessRig()
  process = rig.process
  const firstFrame = rig.frames.allocContiguous(2)
  rig.nodes.register('/dev/region', () => {
    region = new RegionFile(firstFrame)
    return region
  })
})

function hinted(address: bigint): bigint {
  return process.mmap({ address, length: 4096, prot: RW, flags: PRIVATE })
}

function mapping(request: Partial<MmapArguments>): string {
  return outcome(() => process.mmap({ length: 4096, prot: RW, flags: PRIVATE, ...request }))
}

describe('mmap', () => {
  test.each<[string, Partial<MmapArguments>, string]>([
    ['length 0', { length: 0 }, 'EINVAL'],
    ['length 0, not open', { length: 0, flags: MAP_PRIVATE, fd: 99 }, 'EBADF'],
    ['offset not a page, not open', { offset: 1, flags: MAP_PRIVATE, fd: 99 }, 'EINVAL'],
    ['offset not a page, anonymous', { offset: 1 }, 'EINVAL'],
    ['offset out of any file, anonymous', { offset: 0x7fff_ffff_ffff_f000n }, 'ok'],
    ['no type', { flags: MAP_ANONYMOUS }, 'EINVAL'],
    ['type 4', { flags: MAP_ANONYMOUS | 4 }, 'EINVAL'],
    ['type 8', { flags: MAP_ANONYMOUS | 8 }, 'ok'],
    ['no type, not open', { flags: 0, fd: 99 }, 'EBADF'],
    ['MAP_SHARED_VALIDATE, anonymous', { flags: MAP_ANONYMOUS | MAP_SHARED_VALIDATE }, 'EINVAL'],
    ['length 2^64-1', { length: -1 }, 'ENOMEM'],
    ['length 2^64-4096', { length: -4096 }, 'ENOMEM'],
    ['length 2^47', { length: 2n ** 47n, prot: 0 }, 'ENOMEM'],
    ['length 2^46, no access', { length: 2n ** 46n, prot: 0 }, 'ok'],
    ['length 2^46, more than there is', { length: 2n ** 46n }, 'ENOMEM'],
    ['length 2^46, MAP_NORESERVE', { length: 2n ** 46n, flags: PRIVATE | MAP_NORESERVE }, 'ok'],
    ['shared, more than there is', { length: 2n ** 45n, flags: SHARED, prot: 0 }, 'ENOMEM'],
    ['fixed, not a page', { address: A + 1n, flags: PRIVATE | MAP_FIXED }, 'EINVAL'],
    ['fixed, past the end', { address: 0x7fff_ffff_f000n, flags: PRIVATE | MAP_FIXED }, 'ENOMEM'],
    ['fixed, the last page', { address: 0x7fff_ffff_e000n, flags: PRIVATE | MAP_FIXED }, 'ok'],
    ['fixed, kernel', { address: 0xffff_8000_0000_0000n, flags: PRIVATE | MAP_FIXED }, 'ENOMEM'],
    ['fixed, 0', { address: 0n, flags: PRIVATE | MAP_FIXED }, 'ok'],
    ['no replace, occupied', { address: A, flags: PRIVATE | MAP_FIXED_NOREPLACE }, 'EEXIST'],
    ['no replace, not a page', { address: A + 1n, flags: PRIVATE | MAP_FIXED_NOREPLACE }, 'EINVAL'],
    ['no replace, occupied, no type', { address: A, flags: MAP_ANONYMOUS | MAP_FIXED_NOREPLACE }, 'EEXIST'],
    ['unknown protection', { prot: 0xfff7 }, 'ok'],
    ['fd -1', { flags: MAP_SHARED }, 'EBADF'],
    ['64 KiB huge pages', { flags: PRIVATE | MAP_HUGETLB | (16 << 26) }, 'EINVAL'],
    ['huge pages, none there', { flags: PRIVATE | MAP_HUGETLB }, 'ENOMEM'],
  ])('%s', (_row, request, expected) => {
    rig.fixed(1)
    expect(mapping(request)).toBe(expected)
  })

  test('a hint is taken when it is free, rounded to a page, and not below the lowest', () => {
    expect(hinted(0x2000_0123n)).toBe(0x2000_0000n)
    expect(hinted(0x2000_0000n)).not.toBe(0x2000_0000n)
    expect(hinted(0x7fff_ffff_f000n)).toBeLessThan(0x7fff_ffff_f000n)
    expect(hinted(0x1000n)).toBe(0x1_0000n)
    expect(hinted(0x100n)).toBeGreaterThan(0x1_0000n)
  })
})

describe('mmap of a file', () => {
  test.each<[string, number, Partial<MmapArguments>, string]>([
    ['shared, read only, to write', O_RDONLY, { flags: MAP_SHARED }, 'EACCES'],
    ['shared, read only, to read', O_RDONLY, { flags: MAP_SHARED, prot: READ }, 'ok'],
    ['private, read only, to write', O_RDONLY, { flags: MAP_PRIVATE }, 'ok'],
    ['shared, write only', O_WRONLY, { flags: MAP_SHARED, prot: WRITE }, 'EACCES'],
    ['private, write only', O_WRONLY, { flags: MAP_PRIVATE, prot: READ }, 'EACCES'],
    ['no type', O_RDWR, { flags: 0 }, 'EINVAL'],
    ['MAP_SHARED_VALIDATE', O_RDWR, { flags: MAP_SHARED_VALIDATE }, 'ok'],
    ['MAP_SYNC', O_RDWR, { flags: MAP_SHARED_VALIDATE | MAP_SYNC }, 'EOPNOTSUPP'],
    ['to execute', O_RDWR, { flags: MAP_SHARED, prot: READ | EXEC }, 'ok'],
    ['MAP_HUGETLB', O_RDWR, { flags: MAP_SHARED | MAP_HUGETLB }, 'EINVAL'],
    ['offset 2^64-4096', O_RDWR, { flags: MAP_SHARED, offset: -4096, length: 8192 }, 'EOVERFLOW'],
    ['offset 2^63-4096', O_RDWR, { flags: MAP_SHARED, offset: 2n ** 63n - PAGE, length: 8192 }, 'EOVERFLOW'],
    ['offset 2^63', O_RDWR, { flags: MAP_SHARED, offset: 2n ** 63n }, 'EOVERFLOW'],
  ])('%s', (_row, mode, request, expected) => {
    const memfd = rig.memfd(12388)
    const fd = process.open(`/proc/self/fd/${memfd}`, mode)
    expect(mapping({ fd, ...request })).toBe(expected)
  })

  test('what the file forbids, mprotect does not grant', () => {
    const memfd = rig.memfd(8192)
    const fd = process.open(`/proc/self/fd/${memfd}`, O_RDONLY)
    const shared = rig.map(8192, READ, MAP_SHARED, fd)
    expect(outcome(() => process.mprotect(shared, 4096, RW))).toBe('EACCES')
    expect(outcome(() => process.mprotect(shared, 4096, READ | EXEC))).toBe('ok')
    const own = rig.map(4096, READ, MAP_PRIVATE, fd)
    expect(outcome(() => process.mprotect(own, 4096, RW))).toBe('ok')
  })

  test('a stream is ENODEV, with PROT_EXEC EPERM, without a type EINVAL; nothing is unmapped', () => {
    const fd = process.open('/dev/plain')
    rig.fixed(1)
    pokeByte(process, A, 7)
    expect(mapping({ flags: MAP_SHARED | MAP_FIXED, fd, address: A })).toBe('ENODEV')
    expect(mapping({ flags: MAP_SHARED, fd, prot: EXEC })).toBe('EPERM')
    expect(mapping({ flags: 0, fd })).toBe('EINVAL')
    expect(mapping({ flags: MAP_SHARED_VALIDATE, fd })).toBe('ENODEV')
    expect(peekByte(process, A)).toBe(7)
  })

  test('the file’s own error comes after the old mapping went', () => {
    const fd = process.open('/dev/region')
    rig.fixed(2)
    expect(mapping({ flags: MAP_SHARED | MAP_FIXED, fd, address: A })).toBe('ENXIO')
    expect(peekByte(process, A)).toBe('EFAULT')
    expect(peekByte(process, A + PAGE)).toBe(0)
    expect(region.references).toBe(1)
  })
})

describe('a region of a device', () => {
  let at: bigint

  beforeEach(() => {
    const fd = process.open('/dev/region')
    at = rig.map(8192, RW, MAP_SHARED, fd, PAGE)
    process.close(fd)
  })

  test('holds its file and its owner until the last part is unmapped, in the child too', () => {
    expect([region.owners, region.references]).toEqual([1, 1])
    process.munmap(at, 4096)
    expect([region.owners, region.references]).toEqual([1, 1])
    const child = process.fork()
    expect([region.owners, region.references]).toEqual([2, 2])
    process.munmap(at + PAGE, 4096)
    expect(peekByte(child, at)).toBe('EFAULT')
    expect(pokeByte(child, at + PAGE, 9)).toBe('ok')
    expect(region.releases).toBe(0)
    child.exit()
    expect([region.owners, region.references, region.releases]).toEqual([0, 0, 1])
    expect(rig.memory.bytes[(region.firstFrame + 1) * 4096]).toBe(9)
  })

  test('a hole in the middle of nothing: protecting a part makes two owners', () => {
    process.mprotect(at, 4096, READ)
    expect(region.owners).toBe(2)
    expect(pokeByte(process, at, 1)).toBe('EFAULT')
    process.mprotect(at, 8192, RW | EXEC)
    expect(pokeByte(process, at, 1)).toBe('ok')
  })

  test('goes when something else is mapped over it', () => {
    process.mmap({ address: at, length: 8192, prot: RW, flags: PRIVATE | MAP_FIXED })
    expect([region.owners, region.releases]).toEqual([0, 1])
  })

  test('cannot be pinned, and its pages cannot be dropped', () => {
    const { mm } = process
    const [hi, lo] = [Number(at >> 32n), Number(at & 0xffffffffn) | 0]
    expect(outcome(() => mm.pin(hi, lo, true))).toBe('EFAULT')
    pokeByte(process, at, 1)
    expect(outcome(() => mm.pin(hi, lo, true))).toBe('EFAULT')
    expect(outcome(() => mm.pinCountAt(hi, lo))).toBe('EFAULT')
    expect(outcome(() => process.madvise(at, 4096, MADV_DONTNEED))).toBe('EINVAL')
    expect(outcome(() => process.madvise(at, 4096, MADV_DONTFORK))).toBe('ok')
    expect(outcome(() => process.madvise(at, 4096, MADV_DOFORK))).toBe('EINVAL')
    expect(outcome(() => process.madvise(at, 4096, MADV_WILLNEED))).toBe('ok')
  })

  test('frames outside RAM are mapped and let go like any other', () => {
    const bytes = new Uint8Array(2 * 4096)
    rig.memory.addBacking(0x10000, 2, {
      read: (frame, offset, into, start, length) => {
        into.set(bytes.subarray(frame * 4096 + offset, frame * 4096 + offset + length), start)
        return true
      },
      write: (frame, offset, from, start, length) => {
        bytes.set(from.subarray(start, start + length), frame * 4096 + offset)
        return true
      },
    })
    const object = new DeviceMemory(0x10000, 2)
    const address = process.mm.mmap({ lengthBytes: 8192, prot: RW, shared: true, object })
    expect(pokeByte(process, address + PAGE, 5)).toBe('ok')
    expect(bytes[4096]).toBe(5)
    expect(outcome(() => process.mm.pinPage(Number(address >> 12n) + 1, true))).toBe('EFAULT')
    process.munmap(address, 8192)
    expect(peekByte(process, address + PAGE)).toBe('EFAULT')
  })
})

function pins(address: bigint, of: Process = process): number | string | undefined {
  return result(() => of.mm.pinCountAt(Number(address >> 32n), Number(address & 0xffffffffn) | 0))
}

function pin(address: bigint): number {
  return process.mm.pinPage(Number(address >> 12n), true)
}

describe('pins of a page, as its references show them', () => {
  test('count; a child has a copy of a pinned page', () => {
    rig.fixed(2)
    expect(pins(A)).toBe(0)
    const frames = [pin(A), pin(A)]
    expect(pins(A)).toBe(2)
    expect(pins(A + PAGE)).toBe(0)
    expect(pins(A, process.fork())).toBe(0)
    for (const frame of frames) process.mm.unpinPage(frame, true)
    expect(pins(A)).toBe(0)
  })

  test('EFAULT in a hole, without access, without PROT_READ unless the page is there, past the end of a file', () => {
    rig.fixed(2)
    expect(pins(0x3000_0000n)).toBe('EFAULT')
    process.mprotect(A, 4096, 0)
    expect(pins(A)).toBe('EFAULT')
    process.mprotect(A, 4096, WRITE)
    expect(pins(A)).toBe('EFAULT')
    pokeByte(process, A, 1)
    expect(pins(A)).toBe(0)
    const file = rig.map(3 * 4096, RW, MAP_SHARED, rig.memfd(8192))
    expect(pins(file)).toBe(0)
    expect(pins(file + 2n * PAGE)).toBe('EFAULT')
  })
})
