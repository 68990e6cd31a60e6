// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import { POLL_IN, POLL_NVAL, POLL_OUT } from '../files.ts'
import type { Process } from '../process.ts'
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIONBIO,
  FIONCLEX,
  O_APPEND,
  O_CLOEXEC,
  O_DIRECT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  RLIMIT_MEMLOCK,
  RLIMIT_NOFILE,
} from './constants.ts'
import { A, outcome, ProcessRig, peekByte, pokeByte, result } from './process-rig.suite.ts'

const BAD = 0x10n
let rig: ProcessRig
let process: Process
let fd: number

beforeEach(() => {
  rig = new ProcessRig({ process: { openFilesMax: 64, stdio: true } })
  process = rig.process
  fd = process.open('/dev/plain')
})

test('the standard descriptors are one file, and taken', () => {
  expect(fd).toBe(3)
  expect(process.files.get(0)).toBe(process.files.get(2))
  expect(process.files.get(0).references).toBe(3)
})

describe('open', () => {
  test('knows what is there', () => {
    expect(outcome(() => process.open('/dev/nothing'))).toBe('ENOENT')
    expect(process.open('/dev/plain')).toBe(4)
  })

  test('takes its number before it looks: EMFILE wins over ENOENT', () => {
    while (outcome(() => process.dup(fd)) === 'ok');
    expect(outcome(() => process.open('/dev/nothing'))).toBe('EMFILE')
  })

  test('F_GETFL shows the mode, F_GETFD close-on-exec', () => {
    expect(process.fcntl(fd, F_GETFL)).toBe(0x8002)
    const readOnly = process.open('/dev/plain', O_RDONLY | O_CLOEXEC)
    expect(process.fcntl(readOnly, F_GETFL)).toBe(0x8000)
    expect(process.fcntl(readOnly, F_GETFD)).toBe(1)
  })

  test('of /proc/self/fd/N: ENXIO for what has no path, ENOENT for what is not open', () => {
    expect(outcome(() => process.open('/proc/self/fd/0'))).toBe('ENXIO')
    expect(outcome(() => process.open('/proc/self/fd/99'))).toBe('ENOENT')
  })
})

describe('a file without operations', () => {
  test.each<[string, () => unknown, string | number]>([
    ['read', () => process.read(fd, BAD, 8), 'EINVAL'],
    ['read of nothing', () => process.read(fd, BAD, 0), 'EINVAL'],
    ['read past the end of user space', () => process.read(fd, 0xffff_8000_0000_0000n, 8), 'EINVAL'],
    ['write', () => process.write(fd, BAD, 8), 'EINVAL'],
    ['write, opened for reading', () => process.write(process.open('/dev/plain', O_RDONLY), A, 8), 'EBADF'],
    ['lseek', () => process.lseek(fd, 0, 0), 'ESPIPE'],
    ['lseek, unknown whence', () => process.lseek(fd, 0, 77), 'EINVAL'],
    ['pread', () => process.pread(fd, BAD, 40, 0), 'ESPIPE'],
    ['pread, negative offset', () => process.pread(fd, BAD, 40, -1), 'EINVAL'],
    ['pread, negative offset, not open', () => process.pread(99, BAD, 40, -1), 'EINVAL'],
    ['pwrite', () => process.pwrite(fd, BAD, 40, 0), 'ESPIPE'],
    ['ftruncate', () => process.ftruncate(fd, 0), 'EINVAL'],
    ['ftruncate, negative, not open', () => process.ftruncate(99, -1), 'EINVAL'],
    ['ftruncate, not open', () => process.ftruncate(99, 1), 'EBADF'],
    ['ioctl', () => process.ioctl(fd, 0x3b80, BAD), 'ENOTTY'],
    ['poll', () => process.poll(fd), 0x145],
    ['poll, not open', () => process.poll(99), POLL_NVAL],
  ])('%s', (_call, run, expected) => {
    expect(result(run)).toBe(expected)
  })
})

describe('dup', () => {
  test.each<[string, () => unknown, string | number]>([
    ['dup, not open', () => process.dup(99), 'EBADF'],
    ['dup2 onto itself', () => process.dup2(fd, fd), 3],
    ['dup2 onto itself, not open', () => process.dup2(99, 99), 'EBADF'],
    ['dup3 onto itself, not open', () => process.dup3(99, 99, 0), 'EINVAL'],
    ['dup3, a wrong flag', () => process.dup3(99, 98, 1), 'EINVAL'],
    ['dup3 onto itself, close-on-exec', () => process.dup3(fd, fd, O_CLOEXEC), 'EINVAL'],
    ['dup2 to the limit', () => process.dup2(fd, 64), 'EBADF'],
    ['dup2 to -1', () => process.dup2(fd, -1), 'EBADF'],
    ['dup2 below the limit', () => process.dup2(fd, 63), 63],
    ['F_DUPFD from the limit', () => process.fcntl(fd, F_DUPFD, 64), 'EINVAL'],
    ['F_DUPFD from the limit, not open', () => process.fcntl(99, F_DUPFD, 64), 'EBADF'],
    ['F_DUPFD from -1', () => process.fcntl(fd, F_DUPFD, -1), 'EINVAL'],
    ['F_DUPFD from 20', () => process.fcntl(fd, F_DUPFD, 20), 20],
    ['fcntl, unknown command', () => process.fcntl(fd, 999), 'EINVAL'],
  ])('%s', (_call, run, expected) => {
    expect(result(run)).toBe(expected)
  })

  test('close-on-exec is of the descriptor: dup3 sets it, dup2 and dup clear it', () => {
    process.dup3(fd, 62, O_CLOEXEC)
    expect(process.fcntl(62, F_GETFD)).toBe(1)
    expect(process.fcntl(process.dup(62), F_GETFD)).toBe(0)
    process.dup2(fd, 62)
    expect(process.fcntl(62, F_GETFD)).toBe(0)
    expect(process.fcntl(fd, F_DUPFD_CLOEXEC, 20)).toBe(20)
    expect(process.fcntl(20, F_GETFD)).toBe(1)
  })

  test('F_SETFD looks at one bit', () => {
    process.fcntl(fd, F_SETFD, 0xff)
    expect(process.fcntl(fd, F_GETFD)).toBe(1)
    process.fcntl(fd, F_SETFD, 2)
    expect(process.fcntl(fd, F_GETFD)).toBe(0)
  })

  test('above a lowered limit descriptors stay usable, and dup2 does not reach them', () => {
    process.dup2(fd, 40)
    process.setrlimit(RLIMIT_NOFILE, 10, 64)
    expect(process.fcntl(40, F_GETFD)).toBe(0)
    expect(outcome(() => process.dup2(fd, 40))).toBe('EBADF')
    expect(process.dup2(40, 40)).toBe(40)
    process.setrlimit(RLIMIT_NOFILE, 0, 64)
    expect(outcome(() => process.dup(fd))).toBe('EMFILE')
    expect(outcome(() => process.fcntl(fd, F_DUPFD, 0))).toBe('EINVAL')
    expect(outcome(() => process.fcntl(99, F_DUPFD, 0))).toBe('EBADF')
  })

  test('the file is released at its last close, wherever that is', () => {
    const file = rig.opened[0]!
    const other = new ProcessRig().process
    process.sendFd(other, fd)
    process.dup2(fd, 30)
    process.close(fd)
    process.close(30)
    expect(file.releases).toBe(0)
    other.close(0)
    expect(file.releases).toBe(1)
  })
})

describe('limits', () => {
  test.each<[string, number, number, number, string]>([
    ['soft above hard', RLIMIT_NOFILE, 65, 64, 'EINVAL'],
    ['more files than there can be', RLIMIT_NOFILE, 10, 1048577, 'EPERM'],
    ['an unknown resource', 99, 1, 1, 'EINVAL'],
    ['lower', RLIMIT_MEMLOCK, 4096, 8192, 'ok'],
  ])('%s', (_row, resource, soft, hard, expected) => {
    expect(outcome(() => process.setrlimit(resource, soft, hard))).toBe(expected)
  })

  test('only CAP_SYS_RESOURCE raises a hard limit; children have the limits', () => {
    process.setrlimit(RLIMIT_MEMLOCK, 4096, 8192)
    const child = process.fork()
    expect(outcome(() => child.setrlimit(RLIMIT_MEMLOCK, 8192, 16384))).toBe('EPERM')
    child.setrlimit(RLIMIT_MEMLOCK, 8192, 8192)
    child.capSysResource = true
    child.setrlimit(RLIMIT_MEMLOCK, 8192, 16384)
    expect([process.memlockBytes, child.memlockBytes]).toEqual([4096, 8192])
  })
})

describe('what every file answers', () => {
  test('FIOCLEX and FIONCLEX', () => {
    process.ioctl(fd, FIOCLEX, 0n)
    expect(process.fcntl(fd, F_GETFD)).toBe(1)
    process.ioctl(fd, FIONCLEX, 0n)
    expect(process.fcntl(fd, F_GETFD)).toBe(0)
  })

  test('FIONBIO, FIOASYNC and FIGETBSZ read or write a word', () => {
    const word = rig.fixed(1)
    pokeByte(process, word, 1)
    expect(outcome(() => process.ioctl(fd, FIONBIO, word))).toBe('ok')
    expect(process.fcntl(fd, F_GETFL)).toBe(0x8802)
    expect(outcome(() => process.ioctl(fd, FIOASYNC, word))).toBe('ENOTTY')
    for (const number of [FIONBIO, FIOASYNC, FIGETBSZ]) {
      expect(outcome(() => process.ioctl(fd, number, 0n))).toBe('EFAULT')
    }
    pokeByte(process, word, 0)
    expect(outcome(() => process.ioctl(fd, FIOASYNC, word))).toBe('ok')
    process.ioctl(fd, FIGETBSZ, word)
    expect(peekByte(process, word + 1n)).toBe(0x10)
  })

  test('F_SETFL changes O_APPEND and O_NONBLOCK, and refuses O_DIRECT', () => {
    process.fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND | O_RDONLY)
    expect(process.fcntl(fd, F_GETFL)).toBe(0x8c02)
    expect(outcome(() => process.fcntl(fd, F_SETFL, O_DIRECT))).toBe('EINVAL')
    process.fcntl(fd, F_SETFL, 0)
    expect(process.fcntl(fd, F_GETFL)).toBe(0x8000 | O_RDWR)
  })
})

test('poll on several descriptors: what was asked for, and what is wrong anyway', () => {
  const entries = [
    { fd, events: POLL_IN, revents: -1 },
    { fd, events: 0, revents: -1 },
    { fd: 99, events: 0, revents: -1 },
    { fd: -5, events: -1, revents: -1 },
    { fd, events: POLL_IN | POLL_OUT, revents: -1 },
  ]
  expect(process.pollAll(entries)).toBe(3)
  expect(entries.map(({ revents }) => revents)).toEqual([1, 0, POLL_NVAL, 0, 5])
  process.setrlimit(RLIMIT_NOFILE, 4, 64)
  expect(outcome(() => process.pollAll(entries))).toBe('EINVAL')
})
