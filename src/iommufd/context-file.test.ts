// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, expect, test } from 'vitest'
import { createWorld } from '../trace/world.ts'
import { contextOf, registerIommufd } from './context-file.ts'
import { F_GETFD, F_GETFL, MAP_PRIVATE, MAP_SHARED, O_CLOEXEC, O_RDONLY } from './fs/constants.ts'
import { EXEC, outcome, PAGE, ProcessRig, READ, RW, result } from './fs/process-rig.suite.ts'
import { ACCOUNT_MM, ACCOUNT_USER } from './objects/ioas/pages.ts'
import type { Process } from './process.ts'

const BAD = 0x10n
let rig: ProcessRig
let process: Process
let fd: number

beforeEach(() => {
  rig = new ProcessRig({ process: { stdio: true } })
  registerIommufd(rig.nodes, { world: createWorld(), devices: { find: () => undefined } })
  process = rig.process
  fd = process.open('/dev/iommu')
})

test.each<[string, () => unknown, string | number]>([
  ['read', () => process.read(fd, BAD, 8), 'EINVAL'],
  ['read of nothing', () => process.read(fd, BAD, 0), 'EINVAL'],
  ['write', () => process.write(fd, BAD, 8), 'EINVAL'],
  ['pread', () => process.pread(fd, BAD, 8, 0), 'EINVAL'],
  ['pwrite', () => process.pwrite(fd, BAD, 8, 0), 'EINVAL'],
  ['pwrite, read only', () => process.pwrite(process.open('/dev/iommu', O_RDONLY), BAD, 8, 0), 'EBADF'],
  ['lseek', () => process.lseek(fd, 0, 0), 'ESPIPE'],
  ['ftruncate', () => process.ftruncate(fd, 4096), 'EINVAL'],
  ['poll', () => process.poll(fd), 0x145],
  ['an unknown ioctl', () => process.ioctl(fd, 0x3bff, BAD), 'ENOTTY'],
  ['mmap of nothing', () => rig.map(4096, RW, MAP_SHARED, fd), 'ENXIO'],
  ['mmap, private', () => rig.map(4096, RW, MAP_PRIVATE, fd, PAGE), 'EINVAL'],
  ['mmap to execute', () => rig.map(4096, RW | EXEC, MAP_SHARED, fd, PAGE), 'EPERM'],
  ['mmap, no type', () => rig.map(4096, RW, 0, fd, PAGE), 'EINVAL'],
  ['mmap far out', () => rig.map(8192, RW, MAP_SHARED, fd, 2n ** 63n - PAGE), 'ENXIO'],
  [
    'mmap to write, read only',
    () => rig.map(4096, RW, MAP_SHARED, process.open('/dev/iommu', O_RDONLY)),
    'EACCES',
  ],
  [
    'mmap to read, read only',
    () => rig.map(4096, READ, MAP_SHARED, process.open('/dev/iommu', O_RDONLY)),
    'EINVAL',
  ],
])('%s', (_call, run, expected) => {
  expect(result(run)).toBe(expected)
})

test('each open is a context of its own; a dup is not', () => {
  const context = contextOf(process, fd)
  expect(contextOf(process, process.dup(fd))).toBe(context)
  expect(contextOf(process, process.open('/dev/iommu'))).not.toBe(context)
  expect(contextOf(process, process.open(`/proc/self/fd/${fd}`))).not.toBe(context)
  expect(contextOf(process.fork(), fd)).toBe(context)
})

test('is as close-on-exec as it was opened', () => {
  const once = process.open('/dev/iommu', O_RDONLY | O_CLOEXEC)
  expect([process.fcntl(fd, F_GETFD), process.fcntl(once, F_GETFD)]).toEqual([0, 1])
  expect([process.fcntl(fd, F_GETFL), process.fcntl(once, F_GETFL)]).toEqual([0x8002, 0x8000])
})

test('contexts of /dev/vfio/vfio charge the mm, again after it is opened through /proc (spec/02 §1)', () => {
  const vfio = process.open('/dev/vfio/vfio')
  expect(contextOf(process, vfio).accountMode).toBe(ACCOUNT_MM)
  expect(contextOf(process, process.open(`/proc/self/fd/${vfio}`)).accountMode).toBe(ACCOUNT_MM)
  expect(contextOf(process, fd).accountMode).toBe(ACCOUNT_USER)
})

test('another file is no context', () => {
  expect(outcome(() => contextOf(process, 0))).toBe('EINVAL')
  expect(outcome(() => contextOf(process, 99))).toBe('EBADF')
})
