// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { OpenFile } from '../../files.ts'
import { ACCESS_RW_WRITE } from '../access/access.ts'
import { IoasRig, PAGE, READ, codeOf } from './ioas-rig.suite.ts'

const ALL = 2n ** 64n - 1n

class PlainFile extends OpenFile {
  released = false
  protected override release(): void {
    this.released = true
  }
}

let rig: IoasRig
let ioas: number
let fd: number

beforeEach(() => {
  rig = new IoasRig()
  ioas = rig.ioas()
  fd = rig.memfd(8)
})

function openPlain(): PlainFile {
  const file = new PlainFile('plain')
  const { files } = rig.process
  files.install(files.reserve(), file)
  return file
}

describe('IOAS_MAP_FILE checks in order (spec/02 §3.3, observed on 7.2.13)', () => {
  test.each([
    ['an unknown flag', { ioas: 99, fd: 99, flags: 15, bytes: ALL }, 'EOPNOTSUPP'],
    ['length 2^64-1', { ioas: 99, fd: 99, bytes: ALL, flags: 1 }, 'EOVERFLOW'],
    ['address 2^64-1', { ioas: 99, fd: 99, iova: ALL, flags: 1 }, 'EOVERFLOW'],
    ['no permission', { ioas: 99, fd: 99, flags: 1 }, 'EINVAL'],
    ['no such IOAS', { ioas: 99, fd: 99, bytes: 0n }, 'ENOENT'],
    ['length 0', { ioas: 1, fd: 99, bytes: 0n }, 'EINVAL'],
    ['the file range wraps', { ioas: 1, fd: 99, at: 2n ** 64n - 0x1000n, bytes: 0x2000n }, 'EOVERFLOW'],
    ['no such descriptor', { ioas: 1, fd: 99, bytes: 2n ** 64n - 0x1000n }, 'EBADF'],
    ['length 2^64-4096', { ioas: 1, fd: 1, bytes: 2n ** 64n - 0x1000n }, 'EINVAL'],
    ['an occupied place', { ioas: 1, fd: 1, iova: 0x20000n }, 'EEXIST'],
    ['past the end, lazily', { ioas: 1, fd: 1, at: 0x8000n, iova: 0x30000n }, 'ok'],
    ['the last page of all files', { ioas: 1, fd: 1, at: 2n ** 64n - 0x1000n, iova: 0x30000n }, 'ok'],
  ])('%s', (_row, request, expected) => {
    rig.mapFile({ ioas, fd, iova: 0x20000n })
    expect(codeOf(() => rig.mapFile(request))).toBe(expected)
  })

  test.each([
    [0x801n, PAGE, 0x1801n],
    [0x4000n, 4n * PAGE, 0x4000n],
    [0n, 4n * PAGE, 0x4000n],
  ])('from byte %i, %i bytes: the address chosen is by the place in the file', (at, bytes, expected) => {
    expect(rig.mapFile({ ioas, fd, at, bytes, flags: 6 })).toBe(expected)
  })
})

describe('a file', () => {
  test("is pinned with the domain, charged to the mapper's mm, and stays open", () => {
    const domain = rig.domain(ioas)
    rig.mapFile({ ioas, fd, at: 0x800n, bytes: 0x1800n, iova: 0x20000n })
    rig.process.close(fd)
    expect(rig.process.mm.pinnedVm).toBe(2)
    expect(domain.physical(0x20800n) % 4096).toBe(0)
    rig.unmapAll(ioas)
    expect([rig.process.mm.pinnedVm, rig.frames.pinned]).toEqual([0, 0])
  })

  test('whose memory cannot be pinned is mapped lazily, EINVAL when it is needed', () => {
    const file = openPlain()
    const plain = fd + 1
    rig.mapFile({ ioas, fd: plain, iova: 0x20000n })
    rig.process.close(plain)
    expect(file.released).toBe(false)
    expect(codeOf(() => rig.domain(ioas))).toBe('EINVAL')
    rig.unmapAll(ioas)
    expect(file.released).toBe(true)
  })

  test('is let go when there is no place for it', () => {
    const file = openPlain()
    rig.mapFile({ ioas, fd, iova: 0x20000n })
    expect(codeOf(() => rig.mapFile({ ioas, fd: fd + 1, iova: 0x20000n }))).toBe('EEXIST')
    expect(file.references).toBe(1)
  })

  test('past the end is EINVAL, a page of which only a part exists too (observed on 7.2.13)', () => {
    rig.process.ftruncate(fd, 6 * 4096 + 100)
    rig.domain(ioas)
    expect(codeOf(() => rig.mapFile({ ioas, fd, at: 5n * PAGE, iova: 0x20000n }))).toBe('ok')
    expect(codeOf(() => rig.mapFile({ ioas, fd, at: 6n * PAGE, iova: 0x30000n }))).toBe('EINVAL')
    expect(codeOf(() => rig.mapFile({ ioas, fd, bytes: 8n * PAGE, iova: 0x30000n }))).toBe('EINVAL')
    expect(rig.frames.pinned).toBe(1)
  })

  test('keeps pinned pages past a truncation', () => {
    rig.domain(ioas)
    rig.mapFile({ ioas, fd, iova: 0x20000n })
    const access = rig.access(ioas, { needsPinPages: false })
    access.rw(0, 0x20000, new Uint8Array([7]), ACCESS_RW_WRITE, rig.process)
    rig.process.ftruncate(fd, 0)
    const byte = new Uint8Array(1)
    access.rw(0, 0x20000, byte, 0, rig.process)
    expect(byte[0]).toBe(7)
  })
})

describe('a dma-buf (observed on 7.2.13)', () => {
  test.each([
    ['length 0', { bytes: 0n }, 'EINVAL'],
    ['past its end, lazily', { at: 3n * PAGE, bytes: 2n * PAGE }, 'EINVAL'],
    ['past its end, at an occupied place', { at: 3n * PAGE, bytes: 2n * PAGE, iova: 0x20000n }, 'EINVAL'],
    ['length 2^64-4096', { bytes: 2n ** 64n - PAGE }, 'EINVAL'],
    ['not from a page', { at: 0x801n, bytes: 1n }, 'ok'],
  ])('%s', (_row, request, expected) => {
    const { fd: buffer } = rig.dmaBuf(4)
    rig.mapFile({ ioas, fd, iova: 0x20000n })
    expect(codeOf(() => rig.mapFile({ ioas, fd: buffer, ...request }))).toBe(expected)
  })

  test('is mapped without a pin or a charge', () => {
    const { fd: descriptor, buffer } = rig.dmaBuf(4)
    const domain = rig.domain(ioas)
    rig.mapFile({ ioas, fd: descriptor, at: 0x1800n, bytes: 0x1000n, iova: 0x20000n })
    expect(domain.physical(0x20000n)).toBe(buffer.frameAt(1) * 4096 + 0x800)
    expect(domain.physical(0x20800n)).toBe(buffer.frameAt(2) * 4096)
    expect([rig.process.mm.pinnedVm, rig.frames.pinned]).toEqual([0, 0])
  })

  test('taken back: out of every domain at once, and dead for good', () => {
    const { fd: descriptor, buffer } = rig.dmaBuf(4)
    const domain = rig.domain(ioas)
    const second = rig.domain(ioas)
    rig.mapFile({ ioas, fd: descriptor, bytes: 4n * PAGE, iova: 0x20000n })
    rig.copy({ ioas, at: 0x21000n, iova: 0x30000n })
    buffer.revoke()
    expect([domain.granules.size, second.granules.size]).toEqual([0, 0])
    expect(codeOf(() => rig.mapFile({ ioas, fd: descriptor, iova: 0x40000n }))).toBe('ENODEV')
    expect(codeOf(() => rig.copy({ ioas, at: 0x20000n, iova: 0x40000n }))).toBe('ok')
    buffer.restore()
    const third = rig.domain(ioas)
    expect(third.granules.size).toBe(0)
    rig.mapFile({ ioas, fd: descriptor, iova: 0x50000n })
    expect([domain.granules.size, third.granules.size]).toEqual([2, 2])
    rig.object(ioas).removeDomain(second)
    rig.process.close(descriptor)
    rig.unmapAll(ioas)
    expect([domain.granules.size, third.granules.size]).toEqual([0, 0])
  })

  test('lent out lazily and taken back: a domain that comes later shows nothing', () => {
    const { fd: descriptor, buffer } = rig.dmaBuf(1)
    rig.mapFile({ ioas, fd: descriptor, iova: 0x20000n })
    buffer.revoke()
    buffer.restore()
    expect(rig.domain(ioas).granules.size).toBe(0)
  })

  test('cannot be read, written or pinned; permissions are looked at first', () => {
    const { fd: descriptor } = rig.dmaBuf(4)
    rig.mapFile({ ioas, fd: descriptor, iova: 0x20000n, flags: READ })
    const access = rig.access(ioas)
    const byte = new Uint8Array(1)
    const frames = new Int32Array(1)
    expect(codeOf(() => access.rw(0, 0x20000, byte, 0, rig.process))).toBe('EINVAL')
    expect(codeOf(() => access.rw(0, 0x20000, byte, ACCESS_RW_WRITE, rig.process))).toBe('EPERM')
    expect(codeOf(() => access.pinPages(0, 0x20000, 0, 4096, 0, frames))).toBe('EINVAL')
    expect(codeOf(() => access.pinPages(0, 0x20000, 0, 4096, ACCESS_RW_WRITE, frames))).toBe('EPERM')
  })
})
