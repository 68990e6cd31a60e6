// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ENOMEM } from '../../base/errno.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'
import { FAULT_FLAG_WRITE } from './fault-flags.ts'
import { bytesOf, MmRig, NotifierLog, PAGE, readByte } from './mm-rig.suite.ts'
import { PROT_NONE, PROT_READ, PROT_WRITE } from './prot.ts'

const RW = PROT_READ | PROT_WRITE
const AT = 0x10000000n

function rigWithPages(pages: number): MmRig {
  const rig = new MmRig()
  rig.mm.mmap({ address: AT, lengthBytes: pages * 4096, prot: RW })
  for (let page = 0; page < pages; page++) rig.mm.write(AT + BigInt(page) * PAGE, bytesOf(page + 1))
  return rig
}

describe('fork', () => {
  test('shares pages until one side writes; the other side keeps its bytes', () => {
    const rig = rigWithPages(2)
    const before = rig.frames.inUse
    const child = rig.mm.fork()
    expect(rig.frames.inUse - before).toBe(4)
    const shared = rig.deviceFrame(AT, ACCESS_READ)
    expect(rig.deviceFrame(AT, ACCESS_READ, child)).toBe(shared)
    expect(rig.deviceFrame(AT, ACCESS_WRITE)).toBe(-1)
    expect(rig.deviceFrame(AT, ACCESS_WRITE, child)).toBe(-1)
    child.write(AT, bytesOf(100))
    expect([readByte(rig.mm, AT), readByte(child, AT)]).toEqual([1, 100])
    rig.mm.write(AT + PAGE, bytesOf(200))
    expect([readByte(rig.mm, AT + PAGE), readByte(child, AT + PAGE)]).toEqual([200, 2])
  })

  test('the last owner of a page writes to it without a copy', () => {
    const rig = rigWithPages(1)
    const frame = rig.deviceFrame(AT, ACCESS_READ)
    const child = rig.mm.fork()
    child.write(AT, bytesOf(9))
    const before = rig.frames.inUse
    expect(rig.fault(AT, FAULT_FLAG_WRITE)).toBe(0)
    expect([rig.deviceFrame(AT, ACCESS_WRITE), rig.frames.inUse]).toEqual([frame, before])
  })

  test('tells the parent\u2019s notifiers that pages lost their write right', () => {
    const rig = rigWithPages(1)
    const log = new NotifierLog()
    rig.mm.addNotifier(log)
    log.now = () => ` writable=${rig.deviceFrame(AT, ACCESS_WRITE) >= 0}`
    rig.mm.fork()
    expect(log.lines).toEqual(['invalidate 0-7ffffffff writable=false'])
  })

  test('a copy on write tells notifiers while the old frame is still held', () => {
    const rig = rigWithPages(1)
    rig.mm.fork()
    const old = rig.deviceFrame(AT, ACCESS_READ)
    const log = new NotifierLog()
    rig.mm.addNotifier(log)
    log.now = () => ` old=${rig.frames.references(old)} mapped=${rig.deviceFrame(AT, ACCESS_READ) >= 0}`
    rig.mm.write(AT, bytesOf(3))
    expect(log.lines).toEqual(['invalidate 10000-10001 old=2 mapped=false'])
    expect(rig.frames.references(old)).toBe(1)
  })

  test('shared memory stays shared', () => {
    const rig = new MmRig()
    rig.mm.mmap({ address: AT, lengthBytes: 8192, prot: RW, shared: true })
    rig.mm.write(AT, bytesOf(1))
    const child = rig.mm.fork()
    child.write(AT, bytesOf(2))
    child.write(AT + PAGE, bytesOf(3))
    expect([readByte(rig.mm, AT), readByte(rig.mm, AT + PAGE)]).toEqual([2, 3])
    rig.mm.exit()
    expect(readByte(child, AT)).toBe(2)
    child.exit()
    expect(rig.frames.inUse).toBe(0)
  })

  test('a pinned page stays the parent\u2019s: the child has a copy and the device writes to the parent', () => {
    const rig = rigWithPages(1)
    const frame = rig.pin(AT, true)
    const child = rig.mm.fork()
    rig.memory.fill(frame, 0, 1, 77)
    expect([readByte(rig.mm, AT), readByte(child, AT)]).toEqual([77, 1])
    rig.mm.write(AT, bytesOf(78))
    expect(rig.memory.bytes[frame * 4096]).toBe(78)
    expect(readByte(child, AT)).toBe(1)
    rig.mm.unpinPage(frame, true)
  })

  test('pages under PROT_NONE go to the child too', () => {
    const rig = rigWithPages(1)
    rig.mm.mprotect(AT, 4096, PROT_NONE)
    const child = rig.mm.fork()
    expect(rig.deviceFrame(AT, ACCESS_READ, child)).toBe(-1)
    child.mprotect(AT, 4096, RW)
    child.write(AT + 1n, bytesOf(5))
    expect([readByte(child, AT), readByte(child, AT + 1n)]).toEqual([1, 5])
    rig.mm.mprotect(AT, 4096, PROT_READ)
    expect([readByte(rig.mm, AT), readByte(rig.mm, AT + 1n)]).toEqual([1, 0])
  })

  test('grandchildren share too, and everything comes back', () => {
    const rig = rigWithPages(3)
    const child = rig.mm.fork()
    const grandchild = child.fork()
    grandchild.write(AT, bytesOf(50))
    child.write(AT, bytesOf(60))
    expect([rig.mm, child, grandchild].map((mm) => readByte(mm, AT))).toEqual([1, 60, 50])
    for (const mm of [child, rig.mm, grandchild]) mm.exit()
    expect(rig.frames.inUse).toBe(0)
  })

  test('without memory nothing is left of the child', () => {
    for (let n = 1; ; n++) {
      const rig = rigWithPages(3)
      rig.pin(AT, true)
      rig.mm.mmap({ address: AT + 16n * PAGE, lengthBytes: 4096, prot: RW, shared: true, populate: true })
      const before = rig.frames.inUse
      rig.failpoints.failNth(n)
      let failed = true
      try {
        rig.mm.fork()
        failed = false
      } catch (error) {
        expect(error).toEqual(ENOMEM)
      }
      rig.failpoints.off()
      if (!failed) {
        expect(n).toBe(1 + 4 + 1 + 2)
        return
      }
      expect(rig.frames.inUse).toBe(before)
      rig.mm.write(AT + PAGE, bytesOf(9))
      expect(readByte(rig.mm, AT)).toBe(1)
    }
  })
})
