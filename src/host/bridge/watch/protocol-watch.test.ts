// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { OpenFile, POLL_IN, POLL_OUT } from '../../../iommufd/files.ts'
import { EVENTS } from '../../../trace/events.ts'
import { createWorld } from '../../../trace/world.ts'
import { ProtocolWatch, type QueueCall } from './protocol-watch.ts'

class FakeQueue extends OpenFile {
  readable = false

  constructor() {
    super('[iommufd-pgfault]')
  }

  override poll(): number {
    return this.readable ? POLL_OUT | POLL_IN : POLL_OUT
  }

  protected override release(): void {}
}

class Rig {
  readonly trace = createWorld().trace
  readonly watch = new ProtocolWatch(this.trace, false)
  readonly file = new FakeQueue()

  call(way: QueueCall['way'], bytes: number, result: number, refused?: QueueCall['refused']): void {
    const call = { file: this.file, way, pid: 7, fd: 960, bytes, result }
    this.watch.afterQueueCall(refused === undefined ? call : { ...call, refused })
  }

  /** The program reads a group of device 1. */
  read(cookie: number, grpid: number): void {
    this.trace.emit(EVENTS.group_read, 0, 1, grpid, 1, cookie)
    this.call('read', 40, 40)
  }

  answer(cookie: number, code = 0): void {
    this.trace.emit(EVENTS.group_write, 0, cookie, code)
    this.call('write', 8, 8)
  }

  get rules(): string[] {
    return this.watch.verdicts.map(({ rule }) => rule)
  }
}

describe('the watch over fault queues', () => {
  it('has nothing to say about who reads, answers and closes', () => {
    const rig = new Rig()
    rig.call('read', 40, 0)
    rig.read(1, 5)
    rig.answer(1)
    rig.watch.released(rig.file, false, '')
    expect(rig.watch.verdicts).toEqual([])
    expect(rig.watch.answers).toEqual({ program: { SUCCESS: 1 }, kernel: 0 })
  })

  it.each([
    [{ cookie: 1, code: 0 }, 'answered-twice'],
    [{ cookie: 9, code: 0 }, 'unknown-cookie'],
    [{ cookie: 1, code: 2 }, 'refused-code'],
  ])('knows why an answer was refused: %j is %s', (refused, rule) => {
    const rig = new Rig()
    rig.read(1, 5)
    rig.answer(1)
    rig.call('write', 8, -22, refused)
    expect(rig.watch.verdicts).toMatchObject([{ rule, pid: 7, fd: 960, cookie: refused.cookie }])
  })

  it('sees buffers that are too short', () => {
    const rig = new Rig()
    rig.call('read', 41, -29)
    rig.call('read', 80, -22)
    expect(rig.rules).toEqual(['short-buffer', 'short-buffer'])
  })

  it('names what was read and never answered', () => {
    const rig = new Rig()
    rig.read(3, 5)
    rig.watch.released(rig.file, false, '')
    expect(rig.watch.verdicts).toMatchObject([{ rule: 'unanswered', cookie: 3 }])
    expect(rig.watch.verdicts[0]!.text).toContain('group 5 (cookie 3)')
  })

  it.each([
    [0, 'zero-for-end'],
    [40, 'unread'],
  ])('tells groups never read after a read of %i from the end of a queue', (result, rule) => {
    const rig = new Rig()
    rig.call('read', 40, result)
    rig.file.readable = true
    rig.watch.released(rig.file, false, '')
    expect(rig.rules).toEqual([rule])
  })

  it('says when the kernel answered for the program, and what the device saw', () => {
    const rig = new Rig()
    rig.trace.registerDevice(0x100, 'dma0')
    rig.read(1, 5)
    rig.trace.emit(EVENTS.group_auto_response, 0, 1, 5, 1)
    rig.trace.emit(EVENTS.page_response, 0, 0x100, -1, 5, 1)
    rig.watch.afterOther()
    expect(rig.watch.verdicts[0]!.text).toContain('the kernel answered, dma0 saw INVALID')
    rig.call('write', 8, -22, { cookie: 1, code: 0 })
    expect(rig.rules).toEqual(['answered-for-it', 'answered-for-it'])
    expect(rig.watch.answers.kernel).toBe(1)
  })

  it('takes what is left open at exit for no fault', () => {
    const rig = new Rig()
    rig.watch.released(rig.file, true, '2 objects')
    expect(rig.rules).toEqual(['left-open'])
    expect(rig.watch.broken).toBe(0)
  })
})
