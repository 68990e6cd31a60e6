// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EEXIST, EFAULT, EINVAL, ENOMEM } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'
import {
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_WRITE,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from './fault-flags.ts'
import { MemoryObject } from './memory-object.ts'
import { bytesOf, MmRig, NotifierLog, PAGE, readByte } from './mm-rig.suite.ts'
import { PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from './prot.ts'

const RW = PROT_READ | PROT_WRITE
const AT = 0x10000000n

describe('mmap', () => {
  test('first fit goes top-down, or bottom-up when asked', () => {
    const down = new MmRig()
    const first = down.mm.mmap({ lengthBytes: 8192, prot: RW })
    const second = down.mm.mmap({ lengthBytes: 1, prot: PROT_READ })
    expect([first, second]).toEqual([0x7ffff7fff000n - 8192n, 0x7ffff7fff000n - 12288n])
    down.mm.munmap(first, 8192)
    expect(down.mm.mmap({ lengthBytes: 4096, prot: PROT_NONE })).toBe(first + 4096n)
    const up = new MmRig({ placement: 'bottom-up' })
    const low = up.mm.mmap({ lengthBytes: 4096, prot: RW })
    expect(up.mm.mmap({ lengthBytes: 4096, prot: PROT_READ })).toBe(low + 4096n)
  })

  test('a fixed address replaces what is there, unless it must not', () => {
    const { mm } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 3 * 4096, prot: RW })
    mm.write(AT, new Uint8Array(3 * 4096).fill(7))
    expect(mm.mmap({ address: AT + PAGE, lengthBytes: 4096, prot: RW })).toBe(AT + PAGE)
    expect([readByte(mm, AT), readByte(mm, AT + PAGE), readByte(mm, AT + 2n * PAGE)]).toEqual([7, 0, 7])
    const again = { address: AT + PAGE, lengthBytes: 4096, prot: RW, noReplace: true }
    expect(() => mm.mmap(again)).toThrow(expect.objectContaining(EEXIST))
  })

  test('refuses lengths, addresses and protections that make no sense', () => {
    const { mm, frames } = new MmRig()
    for (const lengthBytes of [0, -1, 1.5, Number.NaN]) {
      expect(() => mm.mmap({ lengthBytes, prot: RW })).toThrow(expect.objectContaining(EINVAL))
    }
    expect(() => mm.mmap({ lengthBytes: 1, prot: 8 })).toThrow(expect.objectContaining(EINVAL))
    expect(() => mm.mmap({ address: 5n, lengthBytes: 1, prot: RW })).toThrow(expect.objectContaining(EINVAL))
    const past = { address: 0x7ffffffff000n, lengthBytes: 4096, prot: RW }
    expect(() => mm.mmap(past)).toThrow(expect.objectContaining(ENOMEM))
    expect(() => mm.mmap({ lengthBytes: 2 ** 47, prot: RW })).toThrow(expect.objectContaining(ENOMEM))
    expect([mm.areas, frames.inUse]).toEqual([0, 1])
  })

  test('neighbours that continue each other are one area', () => {
    const { mm } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    mm.mmap({ address: AT + 2n * PAGE, lengthBytes: 4096, prot: RW })
    mm.mmap({ address: AT + PAGE, lengthBytes: 4096, prot: RW })
    expect(mm.areas).toBe(1)
    mm.mmap({ address: AT + 3n * PAGE, lengthBytes: 4096, prot: PROT_READ })
    expect(mm.areas).toBe(2)
  })

  test('populate brings every page in', () => {
    const { mm, frames } = new MmRig()
    const before = frames.inUse
    const at = mm.mmap({ lengthBytes: 5 * 4096, prot: RW, populate: true })
    expect(frames.inUse - before).toBe(5 + 3)
    expect(mm.findVma(hiOf(at), loOf(at))?.prot).toBe(RW)
  })
})

describe('munmap', () => {
  test('cuts areas and gives frames back', () => {
    const { mm, frames } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 5 * 4096, prot: RW, populate: true })
    const before = frames.inUse
    mm.munmap(AT + PAGE, 2 * 4096)
    expect([mm.areas, before - frames.inUse]).toEqual([2, 2])
    expect(mm.findVma(0, Number(AT + PAGE))).toBeUndefined()
    expect(mm.findVma(0, Number(AT + 3n * PAGE))?.start).toBe(0x10003)
    mm.munmap(AT, 5 * 4096)
    expect(mm.areas).toBe(0)
    mm.munmap(AT, 4096)
  })

  test('tells notifiers after the page table and before the frames', () => {
    const rig = new MmRig()
    const log = new NotifierLog()
    rig.mm.mmap({ address: AT, lengthBytes: 2 * 4096, prot: RW, populate: true })
    rig.mm.addNotifier(log)
    const before = rig.frames.inUse
    log.now = () => ` mapped=${rig.deviceFrame(AT, ACCESS_READ) >= 0} freed=${before - rig.frames.inUse}`
    rig.mm.munmap(AT, 2 * 4096)
    expect(log.lines).toEqual(['invalidate 10000-10002 mapped=false freed=0'])
    rig.mm.removeNotifier(log)
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW, populate: true })
    rig.mm.munmap(AT, 4096)
    expect(log.lines.length).toBe(1)
  })
})

describe('mprotect', () => {
  test('takes rights from pages at once and tells notifiers', () => {
    const rig = new MmRig()
    const log = new NotifierLog()
    rig.mm.mmap({ address: AT, lengthBytes: 3 * 4096, prot: RW, populate: true })
    rig.mm.addNotifier(log)
    rig.mm.mprotect(AT + PAGE, 4096, PROT_READ)
    expect(log.lines).toEqual(['invalidate 10001-10002'])
    expect(rig.deviceFrame(AT + PAGE, ACCESS_WRITE)).toBe(-1)
    expect(rig.deviceFrame(AT + PAGE, ACCESS_READ)).toBeGreaterThan(0)
    expect(() => rig.mm.write(AT + PAGE, bytesOf(1))).toThrow(expect.objectContaining(EFAULT))
    rig.mm.mprotect(AT + PAGE, 4096, RW)
    expect(rig.mm.areas).toBe(1)
    rig.mm.write(AT + PAGE, bytesOf(1))
  })

  test('PROT_NONE hides pages and keeps their bytes', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    rig.mm.write(AT, bytesOf(42))
    rig.mm.mprotect(AT, 4096, PROT_NONE)
    expect(rig.deviceFrame(AT, ACCESS_READ)).toBe(-1)
    expect(() => readByte(rig.mm, AT)).toThrow(expect.objectContaining(EFAULT))
    expect(() => rig.pin(AT, false)).toThrow(expect.objectContaining(EFAULT))
    rig.mm.mprotect(AT, 4096, PROT_READ)
    expect(readByte(rig.mm, AT)).toBe(42)
    rig.mm.exit()
    expect(rig.frames.inUse).toBe(0)
  })

  test('stops at a hole, having changed what lies below', () => {
    const { mm } = new MmRig()
    mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
    mm.mmap({ address: AT + 2n * PAGE, lengthBytes: 4096, prot: RW })
    expect(() => mm.mprotect(AT, 3 * 4096, PROT_READ)).toThrow(expect.objectContaining(ENOMEM))
    expect(mm.findVma(0, Number(AT))?.prot).toBe(PROT_READ)
    expect(mm.findVma(0, Number(AT + 2n * PAGE))?.prot).toBe(RW)
    expect(() => mm.mprotect(AT, 4096, 16)).toThrow(expect.objectContaining(EINVAL))
  })
})

describe('discard', () => {
  test('drops pages, keeps areas, tells notifiers', () => {
    const { mm, frames } = new MmRig()
    const log = new NotifierLog()
    mm.mmap({ address: AT, lengthBytes: 2 * 4096, prot: RW })
    mm.write(AT, new Uint8Array(8192).fill(5))
    mm.addNotifier(log)
    const before = frames.inUse
    mm.discard(AT + PAGE, 4096)
    expect(log.lines).toEqual(['invalidate 10001-10002'])
    expect(before - frames.inUse).toBe(1)
    expect([readByte(mm, AT), readByte(mm, AT + PAGE)]).toEqual([5, 0])
    expect(() => mm.discard(AT, 3 * 4096)).toThrow(expect.objectContaining(ENOMEM))
  })
})

describe('handleFault (spec/01 §4.2)', () => {
  test('zeroes a fresh page and maps it with the rights of its area', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 8192, prot: PROT_READ | PROT_EXEC })
    expect(rig.fault(AT + 123n, FAULT_FLAG_REMOTE)).toBe(0)
    const frame = rig.deviceFrame(AT, ACCESS_READ | ACCESS_EXEC)
    expect(frame).toBeGreaterThan(0)
    expect(rig.memory.bytes.subarray(frame * 4096, frame * 4096 + 4096).every((byte) => byte === 0)).toBe(
      true,
    )
    expect(rig.deviceFrame(AT, ACCESS_WRITE)).toBe(-1)
    expect(rig.fault(AT, FAULT_FLAG_REMOTE)).toBe(0)
    expect(rig.deviceFrame(AT, ACCESS_READ)).toBe(frame)
  })

  test('SIGSEGV outside areas, below them too, and without the right', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: PROT_READ })
    expect(rig.fault(AT + PAGE, 0)).toBe(VM_FAULT_SIGSEGV)
    expect(rig.fault(AT - 1n, 0)).toBe(VM_FAULT_SIGSEGV)
    expect(rig.fault(0xffff_ffff_ffff_f000n, 0)).toBe(VM_FAULT_SIGSEGV)
    expect(rig.fault(AT, FAULT_FLAG_WRITE)).toBe(VM_FAULT_SIGSEGV)
    expect(rig.fault(AT, FAULT_FLAG_INSTRUCTION)).toBe(VM_FAULT_SIGSEGV)
  })

  test('a fault without any permission bit is a read fault, and nothing in an area without rights', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: PROT_NONE })
    const before = rig.frames.inUse
    expect(rig.fault(AT, FAULT_FLAG_REMOTE)).toBe(0)
    expect(rig.frames.inUse).toBe(before)
  })

  test('OOM without frames for the page or its tables', () => {
    for (let n = 1; n <= 4; n++) {
      const rig = new MmRig()
      rig.mm.mmap({ address: AT, lengthBytes: 4096, prot: RW })
      const before = rig.frames.inUse
      rig.failpoints.failNth(n)
      expect(rig.fault(AT, FAULT_FLAG_WRITE)).toBe(VM_FAULT_OOM)
      rig.failpoints.off()
      expect(rig.frames.inUse).toBe(before)
      expect(rig.fault(AT, FAULT_FLAG_WRITE)).toBe(0)
    }
  })
})

/** A file of four pages: page n is full of 0x40 + n. */
function fileOf(rig: MmRig, bits = VM_FAULT_MAJOR): MemoryObject {
  const fill = (page: number, frame: number): number => {
    rig.memory.fill(frame, 0, 4096, 0x40 + page)
    return bits
  }
  return new MemoryObject({ frames: rig.frames, pages: 4, provider: { fill } })
}

describe('objects', () => {
  test('a shared mapping shows the object and writes to it', () => {
    const rig = new MmRig()
    const file = fileOf(rig)
    rig.mm.mmap({ address: AT, lengthBytes: 2 * 4096, prot: RW, shared: true, object: file, objectPage: 1 })
    expect(rig.fault(AT, 0)).toBe(VM_FAULT_MAJOR)
    expect(rig.fault(AT, FAULT_FLAG_WRITE)).toBe(0)
    rig.mm.write(AT, bytesOf(9))
    expect(rig.memory.bytes[file.peek(1) * 4096]).toBe(9)
    expect(readByte(rig.mm, AT + PAGE)).toBe(0x42)
    rig.mm.exit()
    expect(file.resident).toBe(2)
    file.put()
    expect(rig.frames.inUse).toBe(0)
  })

  test('a private mapping shows the object until it is written', () => {
    const rig = new MmRig()
    const file = fileOf(rig)
    rig.mm.mmap({ address: AT, lengthBytes: 2 * 4096, prot: RW, object: file })
    expect(readByte(rig.mm, AT)).toBe(0x40)
    expect(rig.deviceFrame(AT, ACCESS_READ)).toBe(file.peek(0))
    expect(rig.deviceFrame(AT, ACCESS_WRITE)).toBe(-1)
    rig.mm.write(AT, bytesOf(9))
    expect([readByte(rig.mm, AT), readByte(rig.mm, AT + 1n)]).toEqual([9, 0x40])
    expect(rig.memory.bytes[file.peek(0) * 4096]).toBe(0x40)
    rig.mm.write(AT + PAGE, bytesOf(8))
    expect(rig.memory.bytes[file.peek(1) * 4096]).toBe(0x41)
  })

  test('SIGBUS past the end and from the provider', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 8 * 4096, prot: RW, shared: true, object: fileOf(rig) })
    expect(rig.fault(AT + 4n * PAGE, 0)).toBe(VM_FAULT_SIGBUS)
    const other = { address: AT + 16n * PAGE, lengthBytes: 4096, prot: RW }
    rig.mm.mmap({ ...other, object: fileOf(rig, VM_FAULT_SIGBUS) })
    const before = rig.frames.inUse
    expect(rig.fault(other.address, FAULT_FLAG_WRITE)).toBe(VM_FAULT_SIGBUS)
    expect(rig.frames.inUse).toBe(before)
    expect(() => rig.pin(other.address, true)).toThrow(expect.objectContaining(EFAULT))
  })

  test('cut areas go on showing the right pages', () => {
    const rig = new MmRig()
    const file = fileOf(rig)
    rig.mm.mmap({ address: AT, lengthBytes: 4 * 4096, prot: PROT_READ, object: file })
    rig.mm.munmap(AT + PAGE, 4096)
    expect([readByte(rig.mm, AT), readByte(rig.mm, AT + 2n * PAGE)]).toEqual([0x40, 0x42])
    rig.mm.mmap({ address: AT + PAGE, lengthBytes: 4096, prot: PROT_READ, object: file, objectPage: 1 })
    expect(rig.mm.areas).toBe(1)
    file.put()
    rig.mm.exit()
    expect(rig.frames.inUse).toBe(0)
  })
})
