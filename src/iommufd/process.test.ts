// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { F_GETFD, MAP_SHARED, O_CLOEXEC, O_RDWR } from './fs/constants.ts'
import {
  A,
  outcome,
  PAGE,
  PlainFile,
  PRIVATE,
  ProcessRig,
  peekByte,
  pokeByte,
  RW,
  SHARED,
} from './fs/process-rig.suite.ts'
import type { Process } from './process.ts'

let rig: ProcessRig
let process: Process

beforeEach(() => {
  rig = new ProcessRig({ process: { memlockBytes: 8192, capIpcLock: true } })
  process = rig.process
})

describe('fork', () => {
  test('gives the child the descriptors with their flags, the user, the credentials and the limits', () => {
    const plain = process.open('/dev/plain')
    const once = process.open('/dev/plain', O_RDWR | O_CLOEXEC)
    process.close(process.dup2(plain, 7))
    const child = process.fork()
    expect(child.files.descriptors).toEqual([plain, once])
    expect([child.fcntl(plain, F_GETFD), child.fcntl(once, F_GETFD)]).toEqual([0, 1])
    expect(child.files.get(plain)).toBe(process.files.get(plain))
    expect(child.user).toBe(process.user)
    expect([child.capIpcLock, child.capSysResource, child.memlockBytes]).toEqual([true, false, 8192])
    child.close(plain)
    expect(process.files.get(plain).references).toBe(1)
  })

  test('private memory is copied when written, shared memory is shared, read-only stays so', () => {
    rig.fixed(2)
    const shared = rig.map(4096, RW, SHARED)
    pokeByte(process, A, 1)
    process.mprotect(A + PAGE, 4096, 1)
    const child = process.fork()
    pokeByte(process, A, 2)
    pokeByte(child, shared, 3)
    expect([peekByte(child, A), peekByte(process, A), peekByte(process, shared)]).toEqual([1, 2, 3])
    expect(pokeByte(child, A + PAGE, 1)).toBe('EFAULT')
  })

  test('grandchildren too; the last to exit gives everything back', () => {
    rig.fixed(4)
    pokeByte(process, A, 1)
    const child = process.fork()
    const grandchild = child.fork()
    process.exit()
    child.exit()
    expect(peekByte(grandchild, A)).toBe(1)
    grandchild.exit()
    expect(rig.frames.inUse).toBe(0)
  })

  test('without memory for it there is no child, and no reference on any file', () => {
    let made = ''
    for (let n = 1; made !== 'ok'; n++) {
      const { process: parent, frames, failpoints, opened } = new ProcessRig()
      parent.open('/dev/plain')
      const shared = parent.mmap({ length: 8192, prot: RW, flags: SHARED })
      const own = parent.mmap({ length: 8192, prot: RW, flags: PRIVATE })
      for (const at of [shared, own]) pokeByte(parent, at, 1)
      const before = frames.inUse
      failpoints.failNth(n)
      made = outcome(() => parent.fork().exit())
      failpoints.off()
      expect([made === 'ok' || made === 'ENOMEM', opened[0]!.references, frames.inUse]).toEqual([
        true,
        1,
        before,
      ])
      expect([peekByte(parent, shared), pokeByte(parent, own, 2)]).toEqual([1, 'ok'])
    }
  })
})

describe('exec', () => {
  test('closes what is close-on-exec, ascending, and begins with empty memory', () => {
    rig.fixed(1)
    const kept = process.open('/dev/plain')
    const order: string[] = []
    for (const name of ['a', 'b']) {
      const file = new PlainFile(name)
      file.put = () => order.push(name)
      process.files.install(process.files.reserve(), file)
    }
    const old = process.mm
    process.exec()
    expect([process.files.descriptors, order]).toEqual([[kept], ['a', 'b']])
    expect(old.alive).toBe(false)
    expect(peekByte(process, A)).toBe('EFAULT')
    rig.fixed(1)
    expect(pokeByte(process, A, 1)).toBe('ok')
    expect(process.write(process.memfdCreate(), A, 1)).toBe(1)
  })

  test('lets go of what only the old memory held; without memory for the new one nothing happens', () => {
    const fd = rig.memfd(4096)
    const shared = rig.map(4096, RW, MAP_SHARED, fd)
    const file = process.files.get(fd)
    process.close(fd)
    rig.failpoints.failNth(1)
    expect(outcome(() => process.exec())).toBe('ENOMEM')
    rig.failpoints.off()
    expect(pokeByte(process, shared, 1)).toBe('ok')
    process.exec()
    expect(file.references).toBe(0)
  })
})

describe('exit', () => {
  test('memory goes first, then the descriptors, ascending; a second exit is nothing', () => {
    const order: string[] = []
    const file = new PlainFile('open')
    file.put = () => order.push(`descriptor, memory ${process.mm.alive}`)
    process.files.install(process.files.reserve(), file)
    const holder = { get: (): void => {}, put: (): void => void order.push('area') }
    process.mm.mmap({ lengthBytes: 4096, prot: RW, holder })
    process.exit()
    process.exit()
    expect(order).toEqual(['area', 'descriptor, memory false'])
    expect(process.exited).toBe(true)
  })

  test('a pin outlives it, a new one is EFAULT', () => {
    rig.fixed(2)
    const page = Number(A / PAGE)
    const frame = process.mm.pinPage(page, true)
    process.mm.grab()
    process.exit()
    expect(outcome(() => process.mm.pinPage(page + 1, true))).toBe('EFAULT')
    expect(rig.frames.pins(frame)).toBe(1)
    process.mm.unpinPage(frame, true)
    process.mm.drop()
    expect(rig.frames.inUse).toBe(0)
  })
})

test('a descriptor sent to another process is a descriptor of the same file there', () => {
  const other = new ProcessRig({ process: { openFilesMax: 1 } }).process
  const fd = process.open('/dev/plain', O_RDWR | O_CLOEXEC)
  const there = process.sendFd(other, fd)
  expect([there, other.fcntl(there, F_GETFD)]).toEqual([0, 0])
  expect(other.files.get(there)).toBe(process.files.get(fd))
  expect(outcome(() => process.sendFd(other, fd))).toBe('EMFILE')
  expect(outcome(() => process.sendFd(other, 99))).toBe('EBADF')
  process.exit()
  expect(rig.opened[0]!.releases).toBe(0)
  other.exit()
  expect(rig.opened[0]!.releases).toBe(1)
})
