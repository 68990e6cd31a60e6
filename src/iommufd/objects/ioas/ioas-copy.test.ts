// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { IoasRig, PAGE, READ, codeOf } from './ioas-rig.suite.ts'

const ALL = 2n ** 64n - 1n
const FIXED = 1
const WRITE_ONLY = 3

let rig: IoasRig
let from: number
let to: number
let memory: bigint

beforeEach(() => {
  rig = new IoasRig()
  from = rig.ioas()
  to = rig.ioas()
  memory = rig.anonymous(16)
})

/** Two areas side by side at 0x10000: pages 0 and 1, and page 8. */
function mapTwo(): void {
  rig.map({ ioas: from, at: memory, bytes: 2n * PAGE, iova: 0x10000n })
  rig.map({ ioas: from, at: memory + 8n * PAGE, iova: 0x12000n })
}

describe('IOAS_COPY checks in order (spec/02 §3.3, observed on 7.2.13)', () => {
  test.each([
    ['an unknown flag', { ioas: 99, from: 98, flags: 15, bytes: ALL }, 'EOPNOTSUPP'],
    ['the flag of the test ABI', { ioas: 99, from: 98, flags: 7 | (1 << 16) }, 'EOPNOTSUPP'],
    ['length 2^64-1', { ioas: 99, from: 98, bytes: ALL, flags: FIXED }, 'EOVERFLOW'],
    ['source 2^64-1', { ioas: 99, from: 98, at: ALL, flags: FIXED }, 'EOVERFLOW'],
    ['target 2^64-1', { ioas: 99, from: 98, iova: ALL, flags: FIXED }, 'EOVERFLOW'],
    ['no permission', { ioas: 99, from: 98, flags: FIXED }, 'EINVAL'],
    ['no such source', { ioas: 99, from: 98 }, 'ENOENT'],
    ['length 0', { ioas: 99, from: 1, bytes: 0n }, 'EINVAL'],
    ['the source wraps', { ioas: 99, from: 1, at: 2n ** 64n - 0x800n }, 'EOVERFLOW'],
    ['a hole in the source', { ioas: 99, from: 1, at: 0x50000n }, 'ENOENT'],
    ['a hole at its end', { ioas: 2, from: 1, at: 0x10000n, bytes: 4n * PAGE }, 'ENOENT'],
    ['no such target', { ioas: 99, from: 1, at: 0x10000n }, 'ENOENT'],
    ['an occupied target', { ioas: 1, from: 1, at: 0x10000n, iova: 0x12000n }, 'EEXIST'],
    ['a target that wraps', { ioas: 2, from: 1, at: 0x10000n, iova: 2n ** 64n - 0x800n }, 'EOVERFLOW'],
  ])('%s', (_row, request, expected) => {
    mapTwo()
    expect(codeOf(() => rig.copy(request))).toBe(expected)
  })

  test('memory that is mapped read-only cannot be written through a copy; the place is looked at first', () => {
    rig.map({ ioas: from, at: memory, bytes: 2n * PAGE, iova: 0x60000n, flags: READ })
    rig.map({ ioas: to, at: memory, iova: 0x30000n })
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x60000n }))).toBe('EPERM')
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x60000n, iova: 0x30000n }))).toBe('EEXIST')
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x60000n, flags: READ }))).toBe('ok')
  })

  test('a copy of write-only memory may read', () => {
    rig.map({ ioas: from, at: memory, iova: 0x60000n, flags: WRITE_ONLY })
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x60000n }))).toBe('ok')
  })

  test('nothing is left of a copy whose later piece is refused', () => {
    rig.map({ ioas: from, at: memory, iova: 0x10000n })
    rig.map({ ioas: from, at: memory, iova: 0x11000n, flags: READ })
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x10000n, bytes: 2n * PAGE }))).toBe('EPERM')
    expect(rig.object(to).areas.size).toBe(0)
  })
})

test('copies an area for each area of the source (observed on 7.2.13)', () => {
  mapTwo()
  rig.copy({ ioas: to, from, at: 0x10000n, bytes: 3n * PAGE, iova: 0x20000n })
  expect(rig.unmap(to, 0x22000n, PAGE)).toBe(PAGE)
  expect(codeOf(() => rig.unmap(to, 0x20000n, PAGE))).toBe('ENOENT')
  expect(rig.unmap(to, 0x20000n, 2n * PAGE)).toBe(2n * PAGE)
})

test('chooses an address by that of the first byte of memory', () => {
  mapTwo()
  const iova = rig.copy({ ioas: to, from, at: 0x10801n, flags: 6 })
  expect(iova).toBe(0x1801n)
})

describe('pages are pinned while somebody needs them, and once', () => {
  test('the union of what copies show, in one domain', () => {
    rig.map({ ioas: from, at: memory, bytes: 8n * PAGE, iova: 0x100000n })
    const domain = rig.domain(to)
    const { mm } = rig.process
    rig.copy({ ioas: to, from, at: 0x102000n, bytes: 3n * PAGE, iova: 0x10000n })
    expect(mm.pinnedVm).toBe(3)
    rig.copy({ ioas: to, from, at: 0x103000n, bytes: 4n * PAGE, iova: 0x20000n })
    expect(mm.pinnedVm).toBe(5)
    rig.copy({ ioas: to, from, at: 0x100800n, bytes: PAGE, iova: 0x30000n })
    expect(mm.pinnedVm).toBe(7)
    expect(domain.physical(0x30000n)).toBe(rig.physicalOf(memory + 0x800n))
    expect(domain.physical(0x30800n)).toBe(rig.physicalOf(memory + 0x1000n))
    rig.unmap(to, 0x10000n, 3n * PAGE)
    expect(mm.pinnedVm).toBe(6)
    expect(domain.physical(0x20800n)).toBe(rig.physicalOf(memory + 0x3800n))
    rig.unmap(from, 0x100000n, 8n * PAGE)
    expect(mm.pinnedVm).toBe(6)
    rig.unmapAll(to)
    expect([mm.pinnedVm, rig.frames.pinned]).toEqual([0, 0])
  })

  test('a domain of the source and one of the copy, added and removed in any order', () => {
    rig.map({ ioas: from, at: memory, bytes: 4n * PAGE, iova: 0x10000n })
    rig.copy({ ioas: to, from, at: 0x11000n, bytes: 2n * PAGE, iova: 0x20000n })
    const first = rig.domain(from)
    expect(rig.frames.pinned).toBe(4)
    const second = rig.domain(to)
    expect(rig.frames.pinned).toBe(4)
    rig.object(from).removeDomain(first)
    expect(rig.frames.pinned).toBe(2)
    rig.domain(from)
    expect(rig.frames.pinned).toBe(4)
    rig.object(to).removeDomain(second)
    rig.unmapAll(from)
    expect(rig.frames.pinned).toBe(0)
    rig.unmapAll(to)
    expect(rig.process.mm.pinnedVm).toBe(0)
  })

  test('a copy of what is pinned needs no room under the limit (observed on 7.2.13)', () => {
    rig = new IoasRig({ memlockBytes: 8 * 4096 })
    const ioas = rig.ioas()
    memory = rig.anonymous(8)
    rig.domain(ioas)
    rig.map({ ioas, at: memory, bytes: 8n * PAGE, iova: 0x10000n })
    expect(codeOf(() => rig.map({ ioas, at: memory, iova: 0x20000n }))).toBe('ENOMEM')
    rig.copy({ ioas, at: 0x10000n, iova: 0x20000n })
    rig.unmap(ioas, 0x10000n, 8n * PAGE)
    expect(rig.process.user.lockedPages).toBe(1)
    expect(codeOf(() => rig.map({ ioas, at: memory, bytes: 8n * PAGE, iova: 0x30000n }))).toBe('ENOMEM')
    expect(codeOf(() => rig.map({ ioas, at: memory, bytes: 7n * PAGE, iova: 0x30000n }))).toBe('ok')
  })

  test('a domain that cannot map the last piece leaves nothing pinned', () => {
    mapTwo()
    rig.domain(to).failing = 2
    const { pinned } = rig.frames
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x10000n, bytes: 3n * PAGE }))).not.toBe('ok')
    expect([rig.frames.pinned, rig.process.mm.pinnedVm]).toEqual([pinned, 0])
    expect(rig.object(to).areas.size).toBe(0)
  })

  test('memory of a process that is gone stays usable where it was pinned (spec/02 §3.9)', () => {
    const child = rig.newProcess()
    const theirs = rig.anonymous(4, child)
    const lazy = rig.ioas()
    const domain = rig.domain(from)
    rig.map({ ioas: from, at: theirs, bytes: 2n * PAGE, iova: 0x10000n }, child)
    rig.map({ ioas: lazy, at: theirs + 2n * PAGE, iova: 0x10000n }, child)
    const frame = rig.physicalOf(theirs, child)
    child.exit()
    expect(domain.physical(0x10000n)).toBe(frame)
    rig.domain(to)
    expect(codeOf(() => rig.copy({ ioas: to, from, at: 0x10000n, bytes: 2n * PAGE }))).toBe('ok')
    expect(codeOf(() => rig.domain(lazy))).toBe('EFAULT')
  })
})
