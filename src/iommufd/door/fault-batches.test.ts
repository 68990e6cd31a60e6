// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { FakeMachine, type FakeMachineOptions, codeOf } from '../fake-machine.suite.ts'
import type { BoundDevice, FaultQueue } from '../iommufd.ts'

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
  device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: queue }))
  return { machine, device, queue }
}

/** Reports the groups, one an instant, from 10 ns on. */
function reportLater(machine: FakeMachine, grpids: readonly number[]): void {
  grpids.forEach((grpid, index) => {
    machine.world.clock.createAlarm('device', () => machine.report({ grpid })).arm(10 * (index + 1))
  })
}

test('a loop over a queue sees every group once, answers it, and ends at close', async () => {
  const { machine, queue } = setUp({ wakeLatencyNanos: 4 })
  reportLater(machine, [1, 2, 3])
  const seen: number[] = []
  await machine.world.scheduler.run(async () => {
    for await (const groups of queue)
      for (const group of groups) {
        seen.push(group.records[0]!.grpid)
        expect(group.records[0]!.address).toBe(0x1000n)
        group.respond('success')
        if (seen.length === 3) queue.close()
      }
  })
  expect(seen).toEqual([1, 2, 3])
  expect(machine.iommu.takeAnswers()).toEqual([1, 2, 3].map((grpid) => `dev0 grpid ${grpid} SUCCESS`))
  expect(machine.world.clock.now).toBe(34)
})

test('groups queued meanwhile come as one batch, each with its records', async () => {
  const { machine, queue } = setUp()
  machine.report({ grpid: 1 })
  for (let i = 1; i <= 3; i++) machine.report({ grpid: 2, last: i === 3, address: i * 0x1000 })
  const iterator = queue[Symbol.asyncIterator]()
  const { value } = await machine.world.scheduler.run(() => iterator.next())
  expect(value!.map((group) => [group.cookie, group.records.length])).toEqual([
    [1, 1],
    [2, 3],
  ])
  value![1]!.respond('invalid')
  expect(codeOf(() => value![1]!.respond('success'))).toBe('EINVAL')
  expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 2 INVALID'])
})

test('a group longer than the first buffer comes whole', async () => {
  const { machine, queue } = setUp()
  for (let i = 1; i <= 200; i++) machine.report({ grpid: 1, last: i === 200 })
  const iterator = queue[Symbol.asyncIterator]()
  const { value } = await machine.world.scheduler.run(() => iterator.next())
  expect(value!.map((group) => group.records.length)).toEqual([200])
})

test('a waiting loop ends when the process does', async () => {
  const { machine, queue } = setUp()
  machine.world.clock.createAlarm('exit', () => machine.process.exit()).arm(5)
  await machine.world.scheduler.run(async () => {
    for await (const groups of queue) expect(groups).toBe('nothing')
  })
  expect(machine.process.exited).toBe(true)
})

test('onReadable runs as a step of its own, once for what was queued since', () => {
  const { machine, queue } = setUp({ wakeLatencyNanos: 7 })
  const calls: number[] = []
  queue.onReadable(() => calls.push(machine.world.clock.now))
  machine.report({ grpid: 1 })
  machine.report({ grpid: 2 })
  expect(calls).toEqual([])
  machine.world.scheduler.runUntilIdle()
  expect(calls).toEqual([7])
  machine.report({ grpid: 3 })
  machine.world.scheduler.runUntilIdle()
  expect(calls).toEqual([7, 14])
  machine.report({ grpid: 4 })
  queue.onReadable(undefined)
  machine.world.scheduler.runUntilIdle()
  expect(calls).toEqual([7, 14])
})
