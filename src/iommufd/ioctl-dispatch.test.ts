// SPDX-License-Identifier: MIT
import { beforeEach, expect, test } from 'vitest'
import { contextOf } from './context-file.ts'
import { FakeMachine, NOTHING_LEFT, codeOf } from './fake-machine.suite.ts'
import type { Iommufd } from './iommufd.ts'

const AT = 0x2000

let machine: FakeMachine
let iommufd: Iommufd

beforeEach(() => {
  machine = new FakeMachine()
  iommufd = machine.open()
})

/** A struct of `size` with an id in it that nobody has. */
function ioctl(number: number, size = 8): string {
  const view = new DataView(machine.mm.bytes.buffer)
  machine.mm.bytes.fill(0, AT, AT + 4096)
  view.setUint32(AT, size, true)
  view.setUint32(AT + 4, number === 0x3b8e ? 0 : 99, true)
  return codeOf(() => machine.process.ioctl(iommufd.fd, number, BigInt(AT)))
}

/** The same with a pointer to nothing. */
function ioctlNowhere(number: number): string {
  return codeOf(() => machine.process.ioctl(iommufd.fd, number, 0n))
}

test('a number whose low byte is not the table’s is ENOTTY without a look at the argument (observed on 7.2.13)', () => {
  for (const number of [
    0x3b00, 0x3b63, 0x3b67, 0x3b73, 0x3b7f, 0x3b95, 0x3ba0, 0x3ba1, 0x3bff, 0x3c64, 0xffffffff,
  ])
    expect([ioctl(number), ioctlNowhere(number)]).toEqual(['ENOTTY', 'ENOTTY'])
})

test('with test commands the table goes on to theirs, with holes that read the size first', () => {
  contextOf(machine.process, iommufd.fd).mock = {}
  for (const number of [0x3b95, 0x3b96, 0x3b9f])
    expect([ioctl(number), ioctlNowhere(number)]).toEqual(['ENOTTY', 'EFAULT'])
  expect(ioctlNowhere(0x3ba0)).toBe('EFAULT')
  expect([ioctl(0x3ba1), ioctlNowhere(0x3ba1)]).toEqual(['ENOTTY', 'ENOTTY'])
})

test('another type byte, a direction or a size in the number is ENOTTY after the size was read', () => {
  for (const number of [0x3c80, 0x3a80, 0x80, 0xc0003b80, 0x40083b80])
    expect([ioctl(number), ioctlNowhere(number)]).toEqual(['ENOTTY', 'EFAULT'])
})

test('only the low 32 bits of the number count', () => {
  expect(ioctl(0x100003b80)).toBe('ENOENT')
  expect(ioctl(0x3b80 - 2 ** 32)).toBe('ENOENT')
  expect(ioctl(-1)).toBe('ENOTTY')
})

test('a descriptor that is not open is EBADF, one of another kind ENOTTY', () => {
  expect(codeOf(() => machine.process.ioctl(99, 0x3b80, BigInt(AT)))).toBe('EBADF')
  const { fd } = iommufd.allocFaultQueue()
  expect(codeOf(() => machine.process.ioctl(fd, 0x3b80, BigInt(AT)))).toBe('ENOTTY')
})

test('an answer that cannot be written leaves no object and no descriptor behind (spec/02 §1)', () => {
  const { mm, process } = machine
  for (const number of [0x3b81, 0x3b8e]) {
    mm.onCopyOut = () => mm.badPages.add(AT >> 12)
    machine.mm.bytes.fill(0, AT, AT + 16)
    machine.mm.bytes[AT] = 16
    expect(codeOf(() => process.ioctl(iommufd.fd, number, BigInt(AT)))).toBe('EFAULT')
    mm.badPages.delete(AT >> 12)
    expect(contextOf(process, iommufd.fd).objects.empty).toBe(true)
    expect(process.files.descriptors).toEqual([iommufd.fd])
  }
  iommufd.close()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
})

test('a map whose address cannot be written stays mapped (spec/02 §3.3 row 11)', () => {
  const ioas = iommufd.allocIoas()
  const { mm } = machine
  const view = new DataView(mm.bytes.buffer)
  mm.bytes.fill(0, AT, AT + 40)
  view.setUint32(AT, 40, true)
  view.setUint32(AT + 4, 7, true)
  view.setUint32(AT + 8, ioas.id, true)
  view.setBigUint64(AT + 24, 0x1000n, true)
  view.setBigUint64(AT + 32, 0x5000n, true)
  mm.onCopyOut = () => mm.badPages.add(AT >> 12)
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b85, BigInt(AT)))).toBe('EFAULT')
  expect(ioas.unmap({ iova: 0x5000n, lengthBytes: 0x1000 })).toBe(0x1000n)
})

test('an ioctl within the copies of an ioctl has a struct of its own', () => {
  const { mm } = machine
  const inner = 0x3000
  const other = machine.open()
  mm.bytes.fill(0, inner, inner + 12)
  mm.bytes[inner] = 12
  mm.onCopyOut = () => {
    mm.onCopyOut = undefined
    machine.process.ioctl(other.fd, 0x3b81, BigInt(inner))
  }
  const view = new DataView(mm.bytes.buffer)
  mm.bytes.fill(0, AT, AT + 16)
  mm.bytes[AT] = 16
  machine.process.ioctl(iommufd.fd, 0x3b8e, BigInt(AT))
  expect([view.getInt32(AT, true), view.getInt32(AT + 8, true), view.getInt32(inner + 8, true)]).toEqual([
    16, 1, 1,
  ])
})
