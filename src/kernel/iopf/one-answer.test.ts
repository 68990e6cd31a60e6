// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { attachDevicePasid, detachDevicePasid } from '../iommu/attach-pasid.ts'
import { type FaultMachine, faultMachine, report } from './fake-handler.suite.ts'

/** One thing that may happen; numbers are reduced to what exists at that moment. */
type Step =
  | { readonly kind: 'report'; readonly pasid: number; readonly grpid: number; readonly last: boolean }
  | { readonly kind: 'answer'; readonly index: number; readonly code: 0 | 1 | 2 }
  | { readonly kind: 'remove' | 'add' | 'discard' | 'refuse' | 'accept' | 'lazy' | 'eager' }
  | { readonly kind: 'detach' | 'attach'; readonly pasid: number }
  | { readonly kind: 'fail'; readonly point: string }
  | { readonly kind: 'wait'; readonly nanos: number }

const pasid = fc.integer({ min: 1, max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('report' as const),
      pasid,
      grpid: fc.integer({ min: 0, max: 4 }),
      last: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      index: fc.nat(20),
      code: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    }),
  },
  fc.record({
    kind: fc.constantFrom('remove', 'add', 'discard', 'refuse', 'accept', 'lazy', 'eager'),
  }),
  fc.record({ kind: fc.constantFrom('detach', 'attach'), pasid }),
  fc.record({
    kind: fc.constant('fail' as const),
    point: fc.constantFrom('alloc_fault', 'alloc_group', 'alloc_fault_param', 'pasid_reserve'),
  }),
  fc.record({ kind: fc.constant('wait' as const), nanos: fc.integer({ min: 1, max: 40 }) }),
)

/** Runs the steps, counting last requests by the answers that they must have got in the end. */
class Run {
  readonly machine: FaultMachine
  asked = 0
  /** Requests that are not the last and were answered all the same: without a handler (Q2). */
  extra = 0
  readonly #attached = new Set([1, 2])

  constructor(machine: FaultMachine) {
    this.machine = machine
  }

  do(todo: Step): void {
    const { device, driver, domain, handler, queue, world } = this.machine
    switch (todo.kind) {
      case 'report':
        return this.#report(todo.pasid, todo.grpid, todo.last)
      case 'answer':
        if (handler.groups.length > 0) handler.answer(todo.code, todo.index % handler.groups.length)
        return undefined
      case 'remove':
        return this.#remove()
      case 'add':
        if (device.faultParam === undefined) attempt(() => queue.addDevice(device))
        return undefined
      case 'discard':
        return queue.discardPartial()
      case 'refuse':
      case 'accept':
        handler.refuse = todo.kind === 'refuse'
        return undefined
      case 'lazy':
      case 'eager':
        handler.lazy = todo.kind === 'lazy'
        return undefined
      case 'attach':
        if (this.#attached.has(todo.pasid)) return undefined
        attempt(() => {
          attachDevicePasid(domain, device, todo.pasid, new AttachHandle())
          this.#attached.add(todo.pasid)
        })
        return undefined
      case 'detach':
        if (this.#attached.delete(todo.pasid)) detachDevicePasid(domain, device, todo.pasid)
        return undefined
      case 'fail':
        return world.failpoints.failNth(1, todo.point)
      case 'wait':
        world.clock.createAlarm('wait', () => undefined).arm(todo.nanos)
        world.scheduler.runUntilIdle()
        expect(driver.answers.length).toBeLessThanOrEqual(this.asked + this.extra)
        return undefined
    }
  }

  /** Everything that is still held is answered; then every last request has exactly one answer. */
  finish(): void {
    const { device, driver, handler, queue } = this.machine
    this.#remove()
    while (handler.groups.length > 0) handler.answer(0)
    expect(driver.answers).toHaveLength(this.asked + this.extra)
    expect([queue.pool.faultsInUse, queue.pool.groupsInUse]).toEqual([0, 0])
    expect(device.faultParam).toBe(undefined)
    expect(this.machine.world.clock.armedCount).toBe(0)
  }

  #report(number: number, grpid: number, last: boolean): void {
    const { device, driver } = this.machine
    const before = driver.answers.length
    report(device, { pasid: number, grpid, last })
    if (last) this.asked++
    else this.extra += driver.answers.length - before
  }

  /** Groups that were left pending are freed by the removal: the handler forgets them, as the contract wants. */
  #remove(): void {
    const { device, handler, queue } = this.machine
    const pending = handler.groups.filter((group) => group.list !== undefined)
    queue.removeDevice(device)
    for (const group of pending) handler.groups.splice(handler.groups.indexOf(group), 1)
  }
}

function attempt(run: () => void): void {
  try {
    run()
  } catch (error) {
    expect(error).toHaveProperty('errno')
  }
}

function holds(steps: readonly Step[], policy: Parameters<typeof faultMachine>[0]): void {
  const run = new Run(faultMachine(policy))
  for (const todo of steps) run.do(todo)
  run.finish()
}

const steps = fc.array(step, { maxLength: 60 })

test('every last request is answered exactly once, whatever happens in between', () => {
  fc.assert(
    fc.property(steps, (sequence) => holds(sequence, {})),
    { numRuns: 1000 },
  )
})

test('the same with a quota and a timeout', () => {
  const policy = { quotaFaults: 4, timeoutNanos: 30 }
  fc.assert(
    fc.property(steps, (sequence) => holds(sequence, { policy })),
    { numRuns: 1000 },
  )
})
