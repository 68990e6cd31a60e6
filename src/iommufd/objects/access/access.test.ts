// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { IoasRig, PAGE, READ, codeOf } from '../ioas/ioas-rig.suite.ts'
import {
  ACCESS_RW_KTHREAD,
  ACCESS_RW_SLOW_PATH,
  ACCESS_RW_WRITE,
  type AccessObject,
  createAccess,
  destroyAccess,
} from './access.ts'
import { createInternalAccess, lockPages, unlockPages } from './internal-access.ts'

const WRITE_ONLY = 3

let rig: IoasRig
let ioas: number
let access: AccessObject
let memory: bigint

beforeEach(() => {
  rig = new IoasRig()
  ioas = rig.ioas()
  memory = rig.anonymous(16)
  access = rig.access(ioas)
})

function pin(iova: number, bytes: number, flags = 0, frames = new Int32Array(16)): string {
  return codeOf(() => access.pinPages(0, iova, 0, bytes, flags, frames))
}

/** Areas: read-write 0x10000 and 0x11000, read-only 0x12000, write-only 0x13000, nothing behind it 0x14000. */
function mapFour(): void {
  rig.map({ ioas, at: memory, bytes: 2n * PAGE, iova: 0x10000n })
  rig.map({ ioas, at: memory + 4n * PAGE, iova: 0x12000n, flags: READ })
  rig.map({ ioas, at: memory + 5n * PAGE, iova: 0x13000n, flags: WRITE_ONLY })
  rig.map({ ioas, at: 0x1000n, iova: 0x14000n })
}

describe('pin_pages checks (spec/02 §4, §12; observed on 7.2.13)', () => {
  test.each([
    ['length 0', 0x80000, 0, 0, 'EINVAL'],
    ['not from a page on', 0x10001, 0x800, 0, 'EINVAL'],
    ['not from a page on, a hole later', 0x11001, 0x200000, 0, 'EINVAL'],
    ['not from a page on, in a hole', 0x80001, 0x1000, 0, 'ENOENT'],
    ['not whole pages', 0x10000, 0x801, 0, 'ok'],
    ['across two areas', 0x11000, 0x2000, 0, 'ok'],
    ['writing, across a read-only one', 0x11000, 0x2000, 1, 'EPERM'],
    ['reading, across a write-only one', 0x11000, 0x3000, 0, 'EPERM'],
    ['writing the write-only one', 0x13000, 0x1000, 1, 'ok'],
    ['nothing behind it', 0x14000, 0x1000, 0, 'EFAULT'],
    ['nothing behind the second', 0x13000, 0x2000, 1, 'EFAULT'],
    ['nothing behind it, and a hole', 0x14000, 0x2000, 0, 'EFAULT'],
  ])('%s', (_row, iova, bytes, flags, expected) => {
    mapFour()
    expect(pin(iova, bytes, flags)).toBe(expected)
    const pages = expected === 'ok' ? Math.ceil(bytes / 4096) : 0
    expect([rig.frames.pinned, rig.process.mm.pinnedVm]).toEqual([pages, pages])
  })

  test('past the end of the space: EOVERFLOW; a hole behind the last area: ENOENT', () => {
    mapFour()
    const frames = new Int32Array(16)
    expect(codeOf(() => access.pinPages(-1, -0x1000, 0, 0x2000, 0, frames))).toBe('EOVERFLOW')
    rig.unmap(ioas, 0x12000n, PAGE)
    expect(pin(0x11000, 0x2000)).toBe('ENOENT')
    expect(rig.frames.pinned).toBe(0)
  })

  test('not attached: ENOENT', () => {
    const loose = createAccess(rig.context, { needsPinPages: true, unmap: () => undefined })
    const frames = new Int32Array(1)
    expect(codeOf(() => loose.pinPages(0, 0x10000, 0, 4096, 0, frames))).toBe('ENOENT')
    expect(codeOf(() => loose.replace(ioas))).toBe('ENOENT')
    destroyAccess(loose)
  })

  test('over the limit: ENOMEM, nothing pinned', () => {
    rig.process.memlockBytes = 3 * 4096
    rig.map({ ioas, at: memory, bytes: 8n * PAGE, iova: 0x10000n })
    expect(pin(0x10000, 0x3000)).toBe('ok')
    expect(pin(0x11000, 0x3000)).toBe('ENOMEM')
    expect(pin(0x11000, 0x2000)).toBe('ok')
    expect(rig.process.user.lockedPages).toBe(3)
  })
})

describe('pinned pages', () => {
  test('are told by frame, across areas', () => {
    mapFour()
    const frames = new Int32Array(3)
    pin(0x10000, 0x3000, 0, frames)
    const pages = [memory, memory + PAGE, memory + 4n * PAGE]
    expect([...frames]).toEqual(pages.map((page) => rig.physicalOf(page) / 4096))
  })

  test('are pinned once, with the domain and beyond it', () => {
    rig.map({ ioas, at: memory, bytes: 8n * PAGE, iova: 0x10000n })
    const domain = rig.domain(ioas)
    pin(0x12000, 0x2000)
    expect(rig.frames.pinned).toBe(8)
    rig.object(ioas).removeDomain(domain)
    expect([rig.frames.pinned, rig.process.mm.pinnedVm]).toEqual([2, 2])
    const again = rig.domain(ioas)
    expect(again.physical(0x13000n)).toBe(rig.physicalOf(memory + 3n * PAGE))
    access.unpinPages(0, 0x12000, 0, 0x2000)
    expect(rig.frames.pinned).toBe(8)
    rig.object(ioas).removeDomain(again)
    expect(rig.frames.pinned).toBe(0)
  })

  test('of a process that is gone can be pinned again where they are pinned (spec/02 §3.9)', () => {
    const child = rig.newProcess()
    rig.map({ ioas, at: rig.anonymous(4, child), bytes: 4n * PAGE, iova: 0x10000n }, child)
    pin(0x11000, 0x1000)
    child.exit()
    expect(pin(0x11000, 0x1000, ACCESS_RW_WRITE)).toBe('ok')
    expect(pin(0x10000, 0x2000)).toBe('EFAULT')
  })
})

describe('rw (spec/02 §4, spec/03 §8; observed on 7.2.13)', () => {
  test.each([
    ['nothing', 0x80000, 0, 0, 'EINVAL'],
    ['a hole', 0x80000, 1, 0, 'ENOENT'],
    ['across two areas', 0x11ffc, 8, 0, 'ok'],
    ['into a write-only area', 0x12ffc, 8, 0, 'EPERM'],
    ['a write into a read-only area', 0x11ffc, 8, 1, 'EPERM'],
    ['nothing behind it', 0x14000, 8, 0, 'EFAULT'],
    ['nothing behind it, page by page', 0x14000, 8, ACCESS_RW_SLOW_PATH, 'EFAULT'],
  ])('%s', (_row, iova, length, flags, expected) => {
    mapFour()
    expect(codeOf(() => access.rw(0, iova, new Uint8Array(length), flags, rig.process))).toBe(expected)
    expect(rig.frames.pinned).toBe(0)
  })

  test.each([0, ACCESS_RW_SLOW_PATH])('moves bytes, flags %i', (flags) => {
    mapFour()
    const read = new Uint8Array(8)
    access.rw(0, 0x11ffc, read, flags, rig.process)
    expect([...read]).toEqual([2, 2, 2, 2, 5, 5, 5, 5])
    access.rw(0, 0x10ffc, new Uint8Array(8).fill(9), flags | ACCESS_RW_WRITE, rig.process)
    rig.process.mm.read(memory + 0xffbn, read)
    expect([...read]).toEqual([1, 9, 9, 9, 9, 9, 9, 9])
  })

  test('what lies before a failing area has been written', () => {
    mapFour()
    const bytes = new Uint8Array(8).fill(9)
    expect(codeOf(() => access.rw(0, 0x11ffc, bytes, ACCESS_RW_WRITE, rig.process))).toBe('EPERM')
    const read = new Uint8Array(1)
    rig.process.mm.read(memory + 0x1fffn, read)
    expect(read[0]).toBe(9)
  })

  test('a page that cannot be written: what precedes it has been, but not page by page', () => {
    rig.map({ ioas, at: memory, bytes: 2n * PAGE, iova: 0x10000n })
    rig.process.mm.mprotect(memory + PAGE, 4096, 0)
    const bytes = new Uint8Array(8).fill(9)
    const read = new Uint8Array(1)
    const slow = ACCESS_RW_WRITE | ACCESS_RW_SLOW_PATH
    expect(codeOf(() => access.rw(0, 0x10ffc, bytes, slow, rig.process))).toBe('EFAULT')
    rig.process.mm.read(memory + 0xfffn, read)
    expect(read[0]).toBe(1)
    expect(codeOf(() => access.rw(0, 0x10ffc, bytes, ACCESS_RW_WRITE, rig.process))).toBe('EFAULT')
    rig.process.mm.read(memory + 0xfffn, read)
    expect(read[0]).toBe(9)
  })

  test('read-only memory mapped for writing is read directly and one page at a time, but not several', () => {
    rig.process.mm.mprotect(memory, 8192, 1)
    rig.map({ ioas, at: memory, bytes: 2n * PAGE, iova: 0x10000n })
    const bytes = new Uint8Array(8)
    for (const [iova, several] of [
      [0x10000, 'ok'],
      [0x10ffc, 'EFAULT'],
    ] as const) {
      expect(codeOf(() => access.rw(0, iova, bytes, 0, rig.process))).toBe('ok')
      expect(codeOf(() => access.rw(0, iova, bytes, ACCESS_RW_SLOW_PATH, rig.process))).toBe(several)
      expect(codeOf(() => access.rw(0, iova, bytes, 0, rig.newProcess()))).toBe(several)
      expect(codeOf(() => access.rw(0, iova, bytes, ACCESS_RW_KTHREAD, undefined))).toBe('ok')
    }
  })

  test('one page is looked for in the memory, several are the pinned ones', () => {
    rig.map({ ioas, at: memory, bytes: 2n * PAGE, iova: 0x10000n })
    access.pinPages(0, 0x10000, 0, 0x2000, 0, new Int32Array(2))
    rig.process.mm.munmap(memory, 8192)
    const bytes = new Uint8Array(8)
    expect(codeOf(() => access.rw(0, 0x10000, bytes, 0, rig.process))).toBe('EFAULT')
    expect(codeOf(() => access.rw(0, 0x10000, bytes, ACCESS_RW_SLOW_PATH, rig.process))).toBe('EFAULT')
    expect(codeOf(() => access.rw(0, 0x10ffc, bytes, ACCESS_RW_SLOW_PATH, rig.process))).toBe('ok')
    access.unpinPages(0, 0x10000, 0, 0x2000)
  })

  test('needs no room under the limit', () => {
    rig.process.memlockBytes = 0
    rig.map({ ioas, at: memory, bytes: 4n * PAGE, iova: 0x10000n })
    const bytes = new Uint8Array(0x2000)
    expect(codeOf(() => access.rw(0, 0x10ffc, bytes, ACCESS_RW_SLOW_PATH, rig.process))).toBe('ok')
    expect(codeOf(() => access.rw(0, 0x10ffc, bytes, 0, rig.newProcess()))).toBe('ok')
  })
})

describe('attaching (spec/02 §4)', () => {
  test('raises the alignment while it is there', () => {
    expect(rig.object(ioas).alignment).toBe(4096)
    const other = rig.ioas()
    access.replace(other)
    expect([rig.object(ioas).alignment, rig.object(other).alignment]).toEqual([1, 4096])
    access.detach()
    expect(rig.object(other).alignment).toBe(1)
  })

  test('EADDRINUSE where an area does not fit: nothing changes', () => {
    const other = rig.ioas()
    rig.map({ ioas: other, at: memory + 1n, bytes: 5n, iova: 0x10001n })
    rig.map({ ioas, at: memory, iova: 0x10000n })
    pin(0x10000, 0x1000)
    expect(codeOf(() => access.replace(other))).toBe('EADDRINUSE')
    expect(rig.frames.pinned).toBe(1)
    access.unpinPages(0, 0x10000, 0, 0x1000)
    expect(rig.access(other, { needsPinPages: false }).alignment).toBe(1)
  })

  test('replace: the old IOAS loses its pins, the same one nothing', () => {
    const calls: number[][] = []
    const other = rig.ioas()
    const taker = rig.access(ioas, {
      unmap: (...range) => {
        calls.push(range)
        taker.unpinPages(0, 0x10000, 0, 0x1000)
      },
    })
    rig.map({ ioas, at: memory, iova: 0x10000n })
    taker.pinPages(0, 0x10000, 0, 0x1000, 0, new Int32Array(1))
    taker.replace(ioas)
    expect(calls).toEqual([])
    expect(codeOf(() => taker.replace(99))).toBe('ENOENT')
    taker.replace(other)
    expect(calls).toEqual([[0, 0, -1, -1]])
    expect(rig.frames.pinned).toBe(0)
    expect(codeOf(() => taker.attach(ioas))).toBe('EINVAL')
  })

  test('holds the IOAS and the context', () => {
    expect(codeOf(() => rig.context.objects.destroyId(ioas))).toBe('EBUSY')
    expect(codeOf(() => rig.context.objects.destroyId(access.id))).toBe('EBUSY')
    rig.process.close(rig.fd)
    expect(rig.context.objects.find(ioas)).toBeDefined()
    destroyAccess(access)
    expect(rig.context.objects.size).toBe(0)
  })
})

describe('the access of a hardware queue (spec/02 §12)', () => {
  test('has an id that cannot be destroyed, and raises the alignment', () => {
    const other = rig.object(rig.ioas())
    const internal = createInternalAccess(rig.context, other)
    expect(other.alignment).toBe(4096)
    expect(codeOf(() => rig.context.objects.destroyId(internal.id))).toBe('EBUSY')
    destroyAccess(internal)
    expect([other.alignment, other.users]).toEqual([1, 1])
  })

  test('locks the areas that it pins', () => {
    rig.map({ ioas, at: memory, bytes: 4n * PAGE, iova: 0x10000n })
    const internal = createInternalAccess(rig.context, rig.object(ioas))
    const frames = new Int32Array(2)
    lockPages(internal, 0, 0x11000, 0, 0x2000, frames)
    expect(frames[0]).toBe(rig.physicalOf(memory + PAGE) / 4096)
    expect(codeOf(() => rig.unmap(ioas, 0x10000n, 4n * PAGE))).toBe('EBUSY')
    expect(codeOf(() => rig.unmapAll(ioas))).toBe('EBUSY')
    unlockPages(internal, 0, 0x11000, 0, 0x2000)
    expect(rig.unmapAll(ioas)).toBe(4n * PAGE)
    expect(rig.frames.pinned).toBe(0)
  })

  test('EADDRINUSE leaves no id behind', () => {
    const other = rig.ioas()
    rig.map({ ioas: other, at: memory, bytes: 5n, iova: 0x10001n })
    const { size } = rig.context.objects
    expect(codeOf(() => createInternalAccess(rig.context, rig.object(other)))).toBe('EADDRINUSE')
    expect(rig.context.objects.size).toBe(size)
  })
})
