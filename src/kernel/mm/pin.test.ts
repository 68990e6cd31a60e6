// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EFAULT, ENOMEM } from '../../base/errno.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'
import { MemoryObject } from './memory-object.ts'
import { bytesOf, MmRig, NotifierLog, PAGE, readByte } from './mm-rig.suite.ts'
import { PROT_READ, PROT_WRITE } from './prot.ts'

const RW = PROT_READ | PROT_WRITE
const AT = 0x10000000n

describe('long-term pins', () => {
  test('bring the page in and hold its frame through munmap', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 8192, prot: RW })
    const frame = rig.pin(AT + PAGE, true)
    expect(rig.deviceFrame(AT + PAGE, ACCESS_WRITE)).toBe(frame)
    rig.mm.write(AT + PAGE, bytesOf(5))
    rig.mm.munmap(AT, 8192)
    expect([rig.frames.pins(frame), rig.memory.bytes[frame * 4096]]).toEqual([1, 5])
    rig.mm.exit()
    expect(rig.frames.inUse).toBe(1)
    rig.mm.unpinPage(frame, true)
    expect(rig.frames.inUse).toBe(0)
  })

  test('count once a pin', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    const frame = rig.pin(AT, true)
    expect(rig.mm.pinPage(0x10000, false)).toBe(frame)
    expect([rig.frames.pins(frame), rig.frames.pinned, rig.frames.owners(frame)]).toEqual([2, 2, 1])
  })

  test('EFAULT without an area, without the right, and when the process has gone (spec/02 §3.9)', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: PROT_READ })
    expect(() => rig.pin(AT, true)).toThrow(expect.objectContaining(EFAULT))
    expect(() => rig.pin(AT + PAGE, false)).toThrow(expect.objectContaining(EFAULT))
    expect(() => rig.pin(0xffff_8000_0000_0000n, false)).toThrow(expect.objectContaining(EFAULT))
    rig.mm.unpinPage(rig.pin(AT, false), false)
    rig.mm.grab()
    rig.mm.exit()
    expect(() => rig.pin(AT, false)).toThrow(expect.objectContaining(EFAULT))
    rig.mm.drop()
    expect(rig.frames.inUse).toBe(0)
  })

  test('ENOMEM without frames', () => {
    const rig = new MmRig({ frames: 6 })
    rig.mm.mmap({ address: AT, lengthBytes: 8192, prot: RW })
    rig.pin(AT, true)
    expect(() => rig.pin(AT + PAGE, true)).toThrow(expect.objectContaining(ENOMEM))
  })

  test('make a page shared by a fork this process\u2019s own first, for reading too', () => {
    for (const write of [true, false]) {
      const rig = new MmRig()
      rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
      rig.mm.write(AT, bytesOf(1))
      const child = rig.mm.fork()
      const shared = rig.deviceFrame(AT, ACCESS_READ)
      const frame = rig.pin(AT, write)
      expect(frame).not.toBe(shared)
      child.write(AT, bytesOf(2))
      rig.mm.write(AT, bytesOf(3))
      expect([rig.memory.bytes[frame * 4096], readByte(child, AT)]).toEqual([3, 2])
    }
  })

  test('a read pin of a private page of a file is a copy; a shared one is the file\u2019s page', () => {
    const rig = new MmRig()
    const file = new MemoryObject({ frames: rig.frames, pages: 2 })
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: PROT_READ, object: file })
    rig.mm.mmap({
      address: AT + PAGE,
      lengthBytes: 4096,
      prot: RW,
      object: file,
      objectPage: 1,
      shared: true,
    })
    readByte(rig.mm, AT)
    expect(rig.pin(AT, false)).not.toBe(file.peek(0))
    expect(rig.pin(AT + PAGE, true)).toBe(file.peek(1))
    rig.mm.write(AT + PAGE, bytesOf(4))
    expect(rig.memory.bytes[file.peek(1) * 4096]).toBe(4)
  })

  test('a pinned page stays in place when its rights come and go', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    const frame = rig.pin(AT, true)
    rig.mm.mprotect(AT, 4096, PROT_READ)
    rig.mm.mprotect(AT, 4096, RW)
    rig.mm.write(AT, bytesOf(6))
    expect([rig.deviceFrame(AT, ACCESS_WRITE), rig.memory.bytes[frame * 4096]]).toEqual([frame, 6])
  })

  test('frames for code that fills in place are not pinned', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    const frame = rig.mm.frameForWrite(0x10000)
    rig.memory.fill(frame, 0, 4096, 8)
    expect([readByte(rig.mm, AT), rig.frames.pinned, rig.mm.frameForRead(0x10000)]).toEqual([8, 0, frame])
    expect(() => rig.mm.frameForWrite(0x10001)).toThrow(expect.objectContaining(EFAULT))
    rig.mm.mprotect(AT, 4096, PROT_READ)
    expect(() => rig.mm.frameForWrite(0x10000)).toThrow(expect.objectContaining(EFAULT))
  })
})

describe('copies from and to the user', () => {
  test('cross pages and the 4 GiB borders of the pair', () => {
    const rig = new MmRig()
    for (const at of [AT, 0x1_0000_0000n - 2n * PAGE, 0x7f00_8000_0000n - 2n * PAGE]) {
      rig.mm.mmap({ address: at, lengthBytes: 4 * 4096, prot: RW })
      const bytes = Uint8Array.from({ length: 9000 }, (_, i) => (i * 13) & 0xff)
      rig.mm.write(at + 100n, bytes)
      const back = new Uint8Array(9000)
      rig.mm.read(at + 100n, back)
      expect(back).toEqual(bytes)
    }
  })

  test('EFAULT at the first byte that is not there', () => {
    const { mm } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    const bytes = new Uint8Array(100).fill(3)
    expect(() => mm.copyOut(0, Number(AT) + 4096 - 30, bytes, 0, 100)).toThrow(
      expect.objectContaining(EFAULT),
    )
    expect([mm.copied, readByte(mm, AT + 4095n)]).toEqual([30, 3])
    const into = new Uint8Array(100)
    expect(() => mm.copyIn(0, Number(AT) + 4096 - 30, into, 10, 60)).toThrow(expect.objectContaining(EFAULT))
    expect([mm.copied, into[9], into[10], into[39], into[40]]).toEqual([30, 0, 3, 3, 0])
    expect(() => mm.copyIn(-1, -8, into, 0, 16)).toThrow(expect.objectContaining(EFAULT))
    expect(mm.copied).toBe(0)
  })

  test('EFAULT writing to read-only memory, which can be read', () => {
    const { mm } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 4096, prot: PROT_READ })
    expect(() => mm.copyOut(0, Number(AT), bytesOf(1), 0, 1)).toThrow(expect.objectContaining(EFAULT))
    mm.copyIn(0, Number(AT), new Uint8Array(4), 0, 4)
  })

  test('fail at the failpoint copy_user, the process\u2019s own stores do not', () => {
    const { mm, failpoints } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    failpoints.failNth(1, 'copy_user')
    mm.write(AT, bytesOf(1))
    expect(() => mm.copyOut(0, Number(AT), bytesOf(2), 0, 1)).toThrow(expect.objectContaining(EFAULT))
    failpoints.failNth(1, 'copy_user')
    expect(() => mm.copyIn(0, Number(AT), bytesOf(2), 0, 1)).toThrow(expect.objectContaining(EFAULT))
    expect(readByte(mm, AT)).toBe(1)
  })
})

describe('the end of an address space (spec/01 §4.3)', () => {
  test('releases notifiers in their order, before pages and tables go, and never invalidates after', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW, populate: true })
    const log = new NotifierLog()
    const frame = rig.deviceFrame(AT, ACCESS_READ)
    log.now = () => ` mapped=${rig.deviceFrame(AT, ACCESS_READ) === frame} users=${rig.mm.users}`
    const second = new NotifierLog()
    second.now = () => ` after ${log.lines.length}`
    rig.mm.addNotifier(log)
    rig.mm.addNotifier(second)
    rig.mm.grab()
    rig.mm.exit()
    expect(log.lines).toEqual(['release mapped=true users=0'])
    expect(second.lines).toEqual(['release after 1'])
    rig.mm.removeNotifier(log)
    rig.mm.drop()
  })

  test('users keep the mappings, references only the struct and the root table', () => {
    const rig = new MmRig()
    let freed = 0
    rig.mm.whenFreed(() => freed++)
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW, populate: true })
    rig.mm.grab()
    expect(rig.mm.getNotZero()).toBe(true)
    rig.mm.exit()
    expect([rig.mm.users, readByte(rig.mm, AT)]).toEqual([1, 0])
    rig.mm.putUser()
    expect([rig.mm.users, rig.mm.areas, rig.frames.inUse, freed]).toEqual([0, 0, 1, 0])
    expect(rig.mm.getNotZero()).toBe(false)
    expect(rig.fault(AT, 0)).toBe(0x40)
    expect(rig.deviceFrame(AT, ACCESS_READ)).toBe(-1)
    rig.mm.drop()
    expect([rig.frames.inUse, freed]).toEqual([0, 1])
  })
})
