// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Process } from '../process.ts'
import {
  F_ADD_SEALS,
  F_GET_SEALS,
  F_GETFD,
  F_SETFL,
  FIONREAD,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from './constants.ts'
import { A, outcome, PAGE, ProcessRig, peekByte, pokeByte, READ, RW, result } from './process-rig.suite.ts'

const BAD = 0x10n
let rig: ProcessRig
let process: Process

beforeEach(() => {
  rig = new ProcessRig()
  process = rig.process
})

describe('memfd_create', () => {
  test.each<[string, number, string]>([
    ['an unknown flag', 0x20, 'EINVAL'],
    ['both MFD_EXEC and MFD_NOEXEC_SEAL', 24, 'EINVAL'],
    ['huge pages of 2 MiB', MFD_HUGETLB | (21 << 26), 'ok'],
    ['huge pages of 1 GiB', MFD_HUGETLB | (30 << 26), 'ENODEV'],
    ['huge pages of 64 KiB', MFD_HUGETLB | (16 << 26), 'ENODEV'],
    ['a size without huge pages', 21 << 26, 'EINVAL'],
    ['huge pages and seals', 6, 'ok'],
  ])('%s: %i', (_row, flags, expected) => {
    expect(outcome(() => process.memfdCreate(flags))).toBe(expected)
    expect(process.files.descriptors.length).toBe(expected === 'ok' ? 1 : 0)
  })

  test.each([
    [0, 1],
    [2, 0],
    [8, 0x20],
  ])('flags %i: sealed with %i', (flags, seals) => {
    expect(process.fcntl(process.memfdCreate(flags), F_GET_SEALS)).toBe(seals)
  })

  test('close-on-exec only when asked for', () => {
    expect(process.fcntl(process.memfdCreate(), F_GETFD)).toBe(0)
    expect(process.fcntl(process.memfdCreate(MFD_CLOEXEC), F_GETFD)).toBe(1)
  })

  test('leaves nothing when it fails', () => {
    rig.failpoints.failNth(1)
    expect(outcome(() => process.memfdCreate())).toBe('ENOMEM')
    expect(process.files.descriptors).toEqual([])
  })
})

describe('read and write', () => {
  let fd: number

  beforeEach(() => {
    rig.fixed(4)
    process.poke(A, new Uint8Array(9000).fill(0x55))
    fd = process.memfdCreate()
  })

  test('move the position, extend the file, stop at its end', () => {
    expect(process.read(fd, A, 10)).toBe(0)
    expect(process.read(fd, BAD, 10)).toBe(0)
    expect(process.write(fd, A, 10)).toBe(10)
    expect(process.lseek(fd, 0, SEEK_CUR)).toBe(10)
    expect(process.pwrite(fd, A, 5000, 4090)).toBe(5000)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(9090)
    expect(process.lseek(fd, 4000, SEEK_SET)).toBe(4000)
    expect(process.read(fd, A, 9000)).toBe(5090)
    expect([89n, 90n, 5089n].map((at) => peekByte(process, A + at))).toEqual([0, 0x55, 0x55])
    expect(process.read(fd, A, 10)).toBe(0)
    expect(process.lseek(fd, 10, SEEK_END)).toBe(9100)
    expect(process.read(fd, A, 1)).toBe(0)
    expect(process.write(fd, A, 1)).toBe(1)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(9101)
  })

  test.each<[string, () => unknown, string | number]>([
    ['a negative position', () => process.lseek(fd, -1, SEEK_SET), 'EINVAL'],
    ['a position before the start', () => process.lseek(fd, -99999, SEEK_CUR), 'EINVAL'],
    ['an unknown whence', () => process.lseek(fd, 0, 9), 'EINVAL'],
    ['pread at the end of all files', () => process.pread(fd, A, 4, 2 ** 63), 'EINVAL'],
    ['pwrite at the end of all files', () => process.pwrite(fd, A, 4, 2 ** 63), 'EINVAL'],
    ['pwrite of nothing from nowhere', () => process.pwrite(fd, BAD, 0, 0), 0],
    ['pread of nothing to nowhere', () => process.pread(fd, BAD, 0, 0), 0],
    ['pwrite from nowhere', () => process.pwrite(fd, BAD, 10, 0), 'EFAULT'],
    ['pread to nowhere', () => process.pread(fd, BAD, 10, 0), 'EFAULT'],
    ['pwrite of 2^64-1', () => process.pwrite(fd, A, 2n ** 64n - 1n, 0), 'EFAULT'],
    ['pwrite from the kernel', () => process.pwrite(fd, 2n ** 64n - PAGE, 10, 0), 'EFAULT'],
    ['poll', () => process.poll(fd), 0x145],
    ['another ioctl', () => process.ioctl(fd, 0x3b80, A), 'ENOTTY'],
  ])('%s', (_row, run, expected) => {
    process.pwrite(fd, A, 100, 0)
    expect(result(run)).toBe(expected)
  })

  test('stop at the first byte that cannot be copied', () => {
    process.munmap(A + PAGE, 3 * 4096)
    const end = A + PAGE - 10n
    expect(process.pwrite(fd, end, 100, 0)).toBe(10)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(10)
    process.ftruncate(fd, 20000)
    expect(process.pread(fd, end, 100, 0)).toBe(10)
    expect(process.pwrite(fd, end, 8000, 4090)).toBe(10)
    expect(process.pread(fd, end, 8000, 4090)).toBe(10)
    expect(process.pwrite(fd, A, 0x80000000n, 0)).toBe(4096)
  })

  test('O_APPEND writes at the end, pwrite too', () => {
    process.fcntl(fd, F_SETFL, O_APPEND)
    process.ftruncate(fd, 100)
    expect(process.write(fd, A, 10)).toBe(10)
    expect(process.lseek(fd, 0, SEEK_CUR)).toBe(110)
    expect(process.pwrite(fd, A, 10, 0)).toBe(10)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(120)
    process.lseek(fd, 20, SEEK_SET)
    process.ioctl(fd, FIONREAD, A)
    expect(peekByte(process, A)).toBe(100)
  })

  test('SEEK_DATA and SEEK_HOLE', () => {
    process.ftruncate(fd, 10 * 4096)
    process.pwrite(fd, A, 1, 4 * 4096)
    const seek = (offset: number, whence: number): unknown => result(() => process.lseek(fd, offset, whence))
    expect([0, 16389, 20480, -1].map((at) => seek(at, SEEK_DATA))).toEqual([16384, 16389, 'ENXIO', 'ENXIO'])
    const holes = [0, 16384, 40960, 40959].map((at) => seek(at, SEEK_HOLE))
    expect(holes).toEqual([0, 20480, 'ENXIO', 40959])
    process.ftruncate(fd, 4 * 4096 + 50)
    expect(seek(16384, SEEK_HOLE)).toBe(16434)
  })

  test('positions are of the open file: dup shares it, opening again does not', () => {
    process.write(fd, A, 10)
    expect(process.lseek(process.dup(fd), 0, SEEK_CUR)).toBe(10)
    const again = process.open(`/proc/self/fd/${fd}`, O_RDONLY)
    expect(process.lseek(again, 0, SEEK_CUR)).toBe(0)
    expect(process.read(again, A, 100)).toBe(10)
    expect(outcome(() => process.write(again, A, 1))).toBe('EBADF')
    expect(outcome(() => process.ftruncate(again, 0))).toBe('EINVAL')
    expect(outcome(() => process.fcntl(again, F_ADD_SEALS, 2))).toBe('EPERM')
    process.open(`/proc/self/fd/${fd}`, O_RDWR | O_TRUNC)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(0)
  })

  test('a page that cannot be had ends the write: ENOMEM, or what came before', () => {
    rig.failpoints.failNth(1, 'alloc_page')
    expect(outcome(() => process.pwrite(fd, A, 100, 0))).toBe('ENOMEM')
    expect(process.lseek(fd, 0, SEEK_END)).toBe(0)
    rig.failpoints.failNth(2, 'alloc_page')
    expect(process.pwrite(fd, A, 8000, 0)).toBe(4096)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(4096)
    rig.failpoints.off()
  })
})

describe('ftruncate', () => {
  test('takes any length below 2^63', () => {
    const fd = process.memfdCreate()
    expect(outcome(() => process.ftruncate(fd, -1))).toBe('EINVAL')
    process.ftruncate(fd, 2 ** 63 - 1024)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(2 ** 63 - 1024)
    process.ftruncate(fd, 1)
  })

  test('what lies past the end is SIGBUS, or EFAULT for system calls', () => {
    const fd = rig.memfd(8292)
    const shared = rig.map(4 * 4096, RW, MAP_SHARED, fd)
    const own = rig.map(4 * 4096, RW, MAP_PRIVATE, fd)
    expect(pokeByte(process, shared + 8392n, 13)).toBe('ok')
    expect(peekByte(process, shared + 3n * PAGE)).toBe('EFAULT')
    expect(peekByte(process, own + 3n * PAGE)).toBe('EFAULT')
    expect(outcome(() => process.pread(fd, shared + 3n * PAGE, 1, 0))).toBe('EFAULT')
    expect(outcome(() => process.pwrite(fd, shared + 3n * PAGE, 1, 0))).toBe('EFAULT')
  })

  test('shrinking takes pages out of mappings, private copies too, and zeroes the rest of the last page', () => {
    const fd = rig.memfd(3 * 4096)
    const shared = rig.map(3 * 4096, RW, MAP_SHARED, fd)
    const own = rig.map(3 * 4096, RW, MAP_PRIVATE, fd)
    for (const at of [PAGE + 50n, PAGE + 200n, 2n * PAGE]) pokeByte(process, shared + at, 2)
    pokeByte(process, own + PAGE, 77)
    pokeByte(process, own + 2n * PAGE, 88)
    process.ftruncate(fd, 4096 + 60)
    expect([50n, 200n].map((at) => peekByte(process, shared + PAGE + at))).toEqual([2, 0])
    expect(peekByte(process, own + PAGE)).toBe(77)
    expect(peekByte(process, own + PAGE + 200n)).toBe(2)
    expect(peekByte(process, own + 2n * PAGE)).toBe('EFAULT')
    process.ftruncate(fd, 3 * 4096)
    expect(peekByte(process, shared + 2n * PAGE)).toBe(0)
    expect(peekByte(process, own + 2n * PAGE)).toBe(0)
    expect(peekByte(process, own + PAGE)).toBe(77)
  })

  test('growing leaves what was written past the end of the last page, the same size does not', () => {
    const fd = rig.memfd(10)
    const shared = rig.map(4096, RW, MAP_SHARED, fd)
    pokeByte(process, shared + 500n, 9)
    process.ftruncate(fd, 1000)
    expect(peekByte(process, shared + 500n)).toBe(9)
    process.ftruncate(fd, 400)
    pokeByte(process, shared + 500n, 9)
    process.ftruncate(fd, 400)
    expect(peekByte(process, shared + 500n)).toBe(0)
  })

  test('reaches the mappings of every process', () => {
    const fd = rig.memfd(8192)
    const shared = rig.map(8192, RW, MAP_SHARED, fd)
    pokeByte(process, shared + PAGE, 1)
    const child = process.fork()
    peekByte(child, shared + PAGE)
    child.munmap(shared, 4096)
    process.ftruncate(fd, 4096)
    expect(peekByte(child, shared + PAGE)).toBe('EFAULT')
    expect(peekByte(child, shared)).toBe('EFAULT')
    expect(peekByte(process, shared)).toBe(0)
  })

  test('a pinned page lives on, and the file gets another one', () => {
    const fd = rig.memfd(4096)
    const shared = rig.map(4096, RW, MAP_SHARED, fd)
    const frame = process.mm.pinPage(Number(shared / PAGE), true)
    process.ftruncate(fd, 0)
    process.ftruncate(fd, 4096)
    pokeByte(process, shared, 5)
    expect(rig.memory.bytes[frame * 4096]).toBe(0)
    process.mm.unpinPage(frame, true)
  })
})

describe('seals', () => {
  let fd: number

  beforeEach(() => {
    fd = process.memfdCreate(2)
    process.ftruncate(fd, 8192)
  })

  test('not without MFD_ALLOW_SEALING; unknown ones are EINVAL; other files have none', () => {
    const plain = process.memfdCreate()
    expect(outcome(() => process.fcntl(plain, F_ADD_SEALS, 2))).toBe('EPERM')
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 0x1000))).toBe('EINVAL')
    const device = process.open('/dev/plain')
    expect(outcome(() => process.fcntl(device, F_ADD_SEALS, 1))).toBe('EINVAL')
    expect(outcome(() => process.fcntl(device, F_GET_SEALS))).toBe('EINVAL')
  })

  test('against shrinking and growing', () => {
    rig.fixed(1)
    process.fcntl(fd, F_ADD_SEALS, 6)
    expect(outcome(() => process.ftruncate(fd, 4096))).toBe('EPERM')
    expect(outcome(() => process.ftruncate(fd, 12288))).toBe('EPERM')
    expect(outcome(() => process.ftruncate(fd, 8192))).toBe('ok')
    expect(outcome(() => process.pwrite(fd, A, 10, 8192))).toBe('EPERM')
    expect(outcome(() => process.pwrite(fd, A, 10, 8187))).toBe('EPERM')
  })

  test('against writing: not while it is mapped to write, or pinned', () => {
    rig.fixed(1)
    const shared = rig.map(4096, RW, MAP_SHARED, fd)
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 8))).toBe('EBUSY')
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 16))).toBe('ok')
    expect(outcome(() => rig.map(4096, RW, MAP_SHARED, fd))).toBe('EPERM')
    expect(outcome(() => rig.map(4096, READ, MAP_SHARED, fd))).toBe('ok')
    expect(outcome(() => process.pwrite(fd, A, 1, 0))).toBe('EPERM')
    const frame = process.mm.pinPage(Number(shared / PAGE), true)
    process.munmap(shared, 4096)
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 8))).toBe('EBUSY')
    process.mm.unpinPage(frame, true)
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 8))).toBe('ok')
    expect(process.fcntl(fd, F_GET_SEALS)).toBe(24)
    const readOnly = rig.map(4096, READ, MAP_SHARED, fd)
    expect(outcome(() => process.mprotect(readOnly, 4096, RW))).toBe('EACCES')
    expect(outcome(() => rig.map(4096, RW, MAP_PRIVATE, fd))).toBe('ok')
    process.fcntl(fd, F_ADD_SEALS, 1)
    expect(outcome(() => process.fcntl(fd, F_ADD_SEALS, 2))).toBe('EPERM')
  })
})

test('a page of the file that is pinned through another mapping stays the file’s in a child', () => {
  const fd = rig.memfd(4096)
  const shared = rig.map(4096, RW, MAP_SHARED, fd)
  const own = rig.map(4096, RW, MAP_PRIVATE, fd)
  pokeByte(process, shared, 1)
  const frame = process.mm.pinPage(Number(shared / PAGE), true)
  expect(peekByte(process, own)).toBe(1)
  const child = process.fork()
  pokeByte(process, shared, 2)
  expect([peekByte(child, own), peekByte(process, own)]).toEqual([2, 2])
  process.mm.unpinPage(frame, true)
})

test('a private page of the file that is pinned for reading is the process’s own', () => {
  const fd = rig.memfd(4096)
  const own = rig.map(4096, RW, MAP_PRIVATE, fd)
  expect(peekByte(process, own)).toBe(0)
  const frame = process.mm.pinPage(Number(own / PAGE), false)
  pokeByte(process, rig.map(4096, RW, MAP_SHARED, fd), 7)
  expect(peekByte(process, own)).toBe(0)
  process.mm.unpinPage(frame, false)
})

test('a mapping keeps the file; its end gives every frame back', () => {
  const before = rig.frames.inUse
  const fd = rig.memfd(4096)
  const shared = rig.map(4096, RW, MAP_SHARED, fd)
  const file = process.files.get(fd)
  process.close(fd)
  expect(file.references).toBe(1)
  expect(pokeByte(process, shared, 9)).toBe('ok')
  const child = process.fork()
  process.exit()
  expect(file.references).toBe(1)
  expect(peekByte(child, shared)).toBe(9)
  child.exit()
  expect(file.references).toBe(0)
  expect(rig.frames.inUse).toBeLessThan(before)
  expect(rig.frames.inUse).toBe(0)
})
