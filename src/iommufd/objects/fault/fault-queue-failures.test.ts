// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFaults, encodeResponses } from '../../abi/index.ts'
import type { BoundDevice } from '../../door/device.ts'
import type { FaultQueue } from '../../door/fault-queue.ts'
import { FakeMachine, type FakeMachineOptions, codeOf } from '../../fake-machine.suite.ts'
import { POLL_IN, POLL_OUT } from '../../files.ts'

interface Setting {
  readonly machine: FakeMachine
  readonly device: BoundDevice
  readonly queue: FaultQueue
}

function setUp(options: FakeMachineOptions = {}): Setting {
  const machine = new FakeMachine(options)
  const iommufd = machine.open()
  const device = iommufd.bind('dev0')
  const queue = iommufd.allocFaultQueue()
  device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: queue, pasid: true }))
  return { machine, device, queue }
}

function group(machine: FakeMachine, grpid: number, count: number): void {
  for (let i = 1; i <= count; i++) machine.report({ grpid, last: i === count, address: i * 0x1000 })
}

function readable(queue: FaultQueue): boolean {
  return (queue.poll() & POLL_IN) !== 0
}

describe('a copy that fails at record', () => {
  test.each([1, 2, 3])('%i of three restores the group and its cookie (spec/02 §6.3)', (nth) => {
    const { machine, queue } = setUp()
    group(machine, 1, 3)
    machine.world.failpoints.failNth(nth, 'copy_to_user')
    expect(codeOf(() => queue.read(new Uint8Array(120)))).toBe('EFAULT')
    expect(readable(queue)).toBe(true)
    const buffer = new Uint8Array(120)
    expect(queue.read(buffer)).toBe(120)
    expect(decodeFaults(buffer).map((record) => record.cookie)).toEqual([1, 1, 1])
  })

  test.each([2, 3])('%i gives the whole groups before it (spec/02 §6.3)', (nth) => {
    const { machine, queue } = setUp()
    group(machine, 1, 1)
    group(machine, 2, 2)
    machine.world.failpoints.failNth(nth, 'copy_to_user')
    const buffer = new Uint8Array(120)
    expect(queue.read(buffer)).toBe(40)
    machine.world.failpoints.off()
    expect(queue.read(buffer)).toBe(80)
    expect(decodeFaults(buffer, 80).map(({ cookie, grpid }) => [cookie, grpid])).toEqual([
      [2, 2],
      [2, 2],
    ])
  })

  test('of a write keeps what was written before (spec/02 §6.3)', () => {
    const { machine, queue } = setUp()
    group(machine, 1, 1)
    group(machine, 2, 1)
    queue.read(new Uint8Array(80))
    const answers = encodeResponses([
      { cookie: 1, code: 0 },
      { cookie: 2, code: 0 },
    ])
    machine.world.failpoints.failNth(2, 'copy_from_user')
    expect(queue.write(answers)).toBe(8)
    machine.world.failpoints.failNth(1, 'copy_from_user')
    expect(codeOf(() => queue.write(answers))).toBe('EFAULT')
    machine.world.failpoints.off()
    expect(codeOf(() => queue.write(answers))).toBe('EINVAL')
    expect(queue.write(answers.subarray(8))).toBe(8)
  })
})

test('a cookie that cannot be allocated leaves the group queued (spec/02 §6.3)', () => {
  const { machine, queue } = setUp()
  group(machine, 1, 1)
  machine.world.failpoints.failNth(1, 'alloc_cookie')
  expect(codeOf(() => queue.read(new Uint8Array(40)))).toBe('ENOMEM')
  expect(queue.read(new Uint8Array(40))).toBe(40)
})

describe('a group that the core takes back (spec/01 §8.4)', () => {
  const policy = { timeoutNanos: 1000 }

  test('disappears from the queue when nobody has read it', () => {
    const { machine, queue } = setUp({ policy })
    group(machine, 1, 1)
    machine.world.scheduler.runUntilIdle()
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 FAILURE'])
    expect(queue.poll()).toBe(POLL_OUT)
    expect(queue.read(new Uint8Array(40))).toBe(0)
  })

  test('makes a late answer EINVAL, and its cookie is nobody else’s until then', () => {
    const { machine, queue } = setUp({ policy })
    const buffer = new Uint8Array(40)
    group(machine, 1, 1)
    queue.read(buffer)
    machine.world.scheduler.runUntilIdle()
    group(machine, 2, 1)
    queue.read(buffer)
    expect(decodeFaults(buffer)).toMatchObject([{ cookie: 2, grpid: 2 }])
    expect(codeOf(() => queue.respond(1, 'success'))).toBe('EINVAL')
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 FAILURE'])
    queue.respond(2, 'success')
    group(machine, 3, 1)
    queue.read(buffer)
    expect(decodeFaults(buffer)).toMatchObject([{ cookie: 1, grpid: 3 }])
  })
})

/** What the queue must look like, kept beside it. */
class Model {
  readonly queued: { grpid: number; count: number }[] = []
  readonly awaiting: Map<number, number> = new Map()
  /** 0 once an answer to it was refused while groups were awaited (observed on 7.2.13). */
  firstCookie = 1

  freeCookie(): number {
    let cookie = this.firstCookie
    while (this.awaiting.has(cookie)) cookie++
    return cookie
  }

  /** Bytes or code that a read for `records` gives. */
  read(records: number): number | string {
    let done = 0
    while (this.queued.length > 0 && done < records && this.queued[0]!.count <= records - done) {
      const { grpid, count } = this.queued.shift()!
      this.awaiting.set(this.freeCookie(), grpid)
      done += count
    }
    return done === 0 && this.queued.length > 0 ? 'EINVAL' : done * 40
  }

  write(cookie: number, code: number): number | string {
    if (code <= 1 && cookie === 0 && this.awaiting.size > 0) this.firstCookie = 0
    return code > 1 || !this.awaiting.delete(cookie) ? 'EINVAL' : 8
  }
}

function outcome(run: () => number): number | string {
  let result = 0
  const code = codeOf(() => (result = run()))
  return code === 'ok' ? result : code
}

const commands = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('report' as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 0, max: 6 }) }),
    fc.record({
      kind: fc.constant('write' as const),
      cookie: fc.integer({ min: 0, max: 6 }),
      code: fc.integer({ min: 0, max: 2 }),
    }),
  ),
  { maxLength: 60 },
)

test('is readable exactly when something can be read, and cookies are the lowest free ones', () => {
  fc.assert(
    fc.property(commands, (list) => {
      const { machine, queue } = setUp()
      const model = new Model()
      let grpid = 0
      for (const command of list) {
        if (command.kind === 'report') {
          grpid++
          group(machine, grpid, command.count)
          model.queued.push({ grpid, count: command.count })
        } else if (command.kind === 'read') {
          const buffer = new Uint8Array(command.count * 40)
          const got = outcome(() => queue.read(buffer))
          expect(got).toBe(model.read(command.count))
          if (typeof got === 'number')
            for (const record of decodeFaults(buffer, got))
              expect(model.awaiting.get(record.cookie)).toBe(record.grpid)
        } else {
          const { cookie, code } = command
          const bytes = encodeResponses([{ cookie, code }])
          expect(outcome(() => queue.write(bytes))).toBe(model.write(cookie, code))
        }
        expect(readable(queue)).toBe(model.queued.length > 0)
      }
      const left = model.queued.length + model.awaiting.size
      machine.iommu.takeAnswers()
      machine.process.exit()
      expect(machine.iommu.takeAnswers()).toHaveLength(left)
    }),
    { numRuns: 200 },
  )
})
