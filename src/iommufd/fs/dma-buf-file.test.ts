// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import { DmaBuf, type DmaBufImporter } from '../../kernel/mm/dma-buf.ts'
import type { Process } from '../process.ts'
import {
  F_GETFL,
  MAP_PRIVATE,
  MAP_SHARED,
  O_NONBLOCK,
  O_RDWR,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_SET,
} from './constants.ts'
import { DmaBufFile } from './dma-buf-file.ts'
import { A, EXEC, outcome, ProcessRig, READ, RW, result } from './process-rig.suite.ts'

let rig: ProcessRig
let process: Process
let buffer: DmaBuf
let fd: number

function open(flags: number): number {
  const number = process.files.reserve()
  process.files.install(number, new DmaBufFile(buffer, flags))
  return number
}

beforeEach(() => {
  rig = new ProcessRig()
  process = rig.process
  buffer = new DmaBuf(rig.frames, 5000)
  fd = open(O_RDWR)
})

test.each<[string, () => unknown, string | number]>([
  ['read', () => process.read(fd, A, 8), 'EINVAL'],
  ['write', () => process.write(fd, A, 8), 'EINVAL'],
  ['pread', () => process.pread(fd, A, 8, 0), 'ESPIPE'],
  ['pwrite', () => process.pwrite(fd, A, 8, 0), 'ESPIPE'],
  ['ftruncate', () => process.ftruncate(fd, 0), 'EINVAL'],
  ['its end', () => process.lseek(fd, 0, SEEK_END), 8192],
  ['its start', () => process.lseek(fd, 0, SEEK_SET), 0],
  ['another place', () => process.lseek(fd, 1, SEEK_SET), 'EINVAL'],
  ['past its end', () => process.lseek(fd, 1, SEEK_END), 'EINVAL'],
  ['where it is', () => process.lseek(fd, 0, SEEK_CUR), 'EINVAL'],
  ['data', () => process.lseek(fd, 0, SEEK_DATA), 'EINVAL'],
  ['poll', () => process.poll(fd), 5],
  ['ioctl', () => process.ioctl(fd, 0x3b80, A), 'ENOTTY'],
  ['mmap', () => rig.map(4096, RW, MAP_SHARED, fd), 'EINVAL'],
  ['mmap, private', () => rig.map(4096, RW, MAP_PRIVATE, fd), 'EINVAL'],
  ['mmap, past its end', () => rig.map(4096, RW, MAP_SHARED, fd, 0x10000n), 'EINVAL'],
  ['mmap to execute', () => rig.map(4096, READ | EXEC, MAP_SHARED, fd), 'EPERM'],
  ['open again', () => process.open(`/proc/self/fd/${fd}`), 'ENXIO'],
])('%s', (_call, run, expected) => {
  expect(result(run)).toBe(expected)
})

test('remembers the mode and O_NONBLOCK it was made with', () => {
  buffer.get()
  const readOnly = open(0x40)
  expect(process.fcntl(readOnly, F_GETFL)).toBe(0)
  expect(outcome(() => rig.map(4096, RW, MAP_SHARED, readOnly))).toBe('EACCES')
  buffer.get()
  expect(process.fcntl(open(O_NONBLOCK | O_RDWR), F_GETFL)).toBe(0x802)
})

describe('revoke', () => {
  class Importer implements DmaBufImporter {
    calls = 0

    revoked(): void {
      this.calls++
      buffer.removeImporter(this)
    }
  }

  test('tells each importer once, until it is restored', () => {
    const importers = [new Importer(), new Importer()]
    for (const importer of importers) buffer.addImporter(importer)
    buffer.revoke()
    buffer.revoke()
    expect(buffer.revoked).toBe(true)
    expect(importers.map(({ calls }) => calls)).toEqual([1, 1])
    buffer.restore()
    expect(buffer.revoked).toBe(false)
  })
})

test('its memory is consecutive, and goes with the last who holds it', () => {
  const before = rig.frames.inUse
  expect(buffer.frameAt(1)).toBe(buffer.frameAt(0) + 1)
  buffer.get()
  process.close(fd)
  expect(rig.frames.inUse).toBe(before)
  buffer.put()
  expect(rig.frames.inUse).toBe(before - 2)
})
