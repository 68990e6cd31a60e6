// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ENODEV } from '../../../base/errno.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { addressesOf, KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { type FakeFunction, Rig, type RigOptions } from './rig.suite.ts'

const RID = 0x500
const READ = 1
const WRITE = 2
const EXEC = 4
const PRIV = 8

interface Bench {
  readonly rig: Rig
  readonly fake: FakeFunction
  readonly handler: KeepingHandler
}

/** A function on PASIDs 1 and 2 and without one, all of them with one handler. */
function bench(options: RigOptions = {}): Bench {
  const rig = new Rig({ engines: 0, ...options })
  const fake = rig.plugFake(RID)
  const handler = new KeepingHandler()
  rig.attachRid(handler, fake.device)
  rig.attachPasid(1, handler, fake.device)
  rig.attachPasid(2, handler, fake.device)
  return { rig, fake, handler }
}

describe('checks of the page-request interrupt in their order (spec/04 §1.3)', () => {
  const bad: readonly [string, object][] = [
    ['an address that is not canonical', { addressHi: 0x0000_8000 }],
    ['a privileged read', { access: READ | PRIV }],
    ['a privileged write', { access: WRITE | PRIV }],
    ['execute and read', { access: EXEC | READ }],
    ['not canonical before the shape of a Stop Marker', { addressHi: 0x0001_0000, access: 0 }],
  ]
  for (const [name, request] of bad) {
    test(`${name}: INVALID if last, nothing otherwise, and nobody is told`, () => {
      const { rig, fake, handler } = bench()
      fake.send({ pasid: 1, grpid: 5, ...request, last: false })
      fake.send({ pasid: 1, grpid: 6, ...request })
      rig.run()
      expect(fake.responses).toEqual(['1 6 1'])
      expect([handler.groups.length, rig.driver.pageRequests.bad]).toEqual([0, 2])
      expect(fake.device.faultParam!.partialCount).toBe(0)
    })
  }

  test('the shape of a Stop Marker is dropped without an answer, with or without PASID', () => {
    const { rig, fake, handler } = bench()
    fake.send({ pasid: 1, grpid: 5, access: 0 })
    fake.send({ grpid: 6, access: 0 })
    rig.run()
    expect([fake.responses, handler.groups, rig.driver.pageRequests.bad]).toEqual([[], [], 0])
  })

  test('upper canonical addresses, execute alone and zero access that is not last are reported', () => {
    const { rig, fake, handler } = bench()
    fake.send({ pasid: 1, grpid: 5, addressHi: -1, addressLo: 0xfffff000 | 0, last: false, access: 0 })
    fake.send({ pasid: 1, grpid: 5, addressHi: -0x8000, addressLo: 0x3000, access: WRITE | EXEC })
    rig.run()
    const [group] = handler.groups
    expect([group!.count, group!.first.perm, group!.last.perm]).toEqual([2, 0, WRITE | EXEC])
    expect([group!.last.addrHi, group!.last.addrLo]).toEqual([-0x8000, 0x3000])
  })

  test('57-bit addresses are canonical where the kernel has them', () => {
    const { rig, fake, handler } = bench({ driver: { fiveLevel: true } })
    fake.send({ pasid: 1, grpid: 5, addressHi: 0x8000 })
    rig.run()
    expect(handler.groups).toHaveLength(1)
  })

  test('a device that leaves is drained first, also when its faults are off: INVALID', () => {
    const rig = new Rig({ engines: 0, unit: { latencies: { interrupt: 5000 } } })
    const fake = rig.plugFake(RID)
    fake.send({ pasid: 1, grpid: 5 })
    rig.core.release(fake.device)
    rig.run()
    expect(fake.responses).toEqual(['1 5 1'])
  })
})

describe('reports and responses', () => {
  test('flags: 2 without PASID, 7 with one; the answer has a PASID if and only if the request had one', () => {
    const { rig, fake, handler } = bench()
    fake.send({ grpid: 5 })
    fake.send({ pasid: 2, grpid: 6 })
    rig.run()
    expect(handler.groups.map(({ last }) => [last.flags, last.pasid])).toEqual([
      [2, 0],
      [7, 2],
    ])
    handler.answer(0)
    handler.answer(2)
    rig.run()
    // FAILURE is the raw 2 (spec/04 §0).
    expect(fake.responses).toEqual(['-1 5 0', '2 6 2'])
  })

  test('PASIDs on, and a function that wants none in responses: no PRI, ENODEV (spec/01 §3.4)', () => {
    const rig = new Rig({ engines: 0 })
    const fake = rig.plugFake(RID, { responsePasidRequired: false })
    expect(thrownBy(() => rig.attachPasid(1, new KeepingHandler(), fake.device))).toBe(ENODEV)
    const plain = new Rig({ engines: 0, unit: { pasidBits: 0 } })
    const other = plain.plugFake(RID, { responsePasidRequired: false })
    expect(thrownBy(() => plain.attachRid(new KeepingHandler(), other.device))).toBe(undefined)
  })

  test('private words travel only when the policy says so', () => {
    const faithful = bench({ unit: { privateData: true } })
    const wishing = bench({ unit: { privateData: true }, driver: { policy: { privateData: true } } })
    for (const { rig, fake, handler } of [faithful, wishing]) {
      fake.send({ pasid: 1, grpid: 5, private0: 0x1234, private1: -7 })
      rig.run()
      handler.answer(0)
      rig.run()
    }
    expect(faithful.fake.privates).toEqual([0, 0])
    expect(wishing.fake.privates).toEqual([0x1234, -7])
  })

  test('descriptors are handled in order, over the end of the queue, again and again', () => {
    const { rig, fake, handler } = bench({ driver: { queues: { pageRequests: 128 } } })
    for (let round = 0; round < 100; round++) {
      for (let page = 1; page <= 3; page++)
        fake.send({ pasid: 1, grpid: round, addressLo: page << 12, last: page === 3 })
      rig.run()
      expect(addressesOf(handler.groups[0]!)).toEqual([0x1000, 0x2000, 0x3000])
      handler.answer(0)
    }
    rig.run()
    expect(fake.responses).toHaveLength(100)
  })

  test('a handler that drains from within gets the rest of the queue, each descriptor once', () => {
    const { rig, fake, handler } = bench()
    const seen: number[] = []
    handler.handle = (group): boolean => {
      seen.push(group.last.grpid)
      rig.driver.pageRequests.service()
      return false
    }
    for (const grpid of [1, 2, 3]) fake.send({ pasid: 1, grpid })
    rig.run()
    expect(seen).toEqual([1, 2, 3])
    expect(fake.responses).toEqual(['1 3 2', '1 2 2', '1 1 2'])
  })
})

describe('overflow (spec/04 §1.3, step 4)', () => {
  test('open requests are forgotten, PRO is cleared, and requests arrive again', () => {
    const { rig, fake, handler } = bench({ unit: { pageRequestsMax: 3, latencies: { interrupt: 5000 } } })
    fake.send({ pasid: 1, grpid: 1, last: false, addressLo: 0x1000 })
    fake.send({ pasid: 1, grpid: 2, addressLo: 0x2000 })
    fake.send({ pasid: 1, grpid: 3, last: false, addressLo: 0x3000 })
    fake.send({ pasid: 1, grpid: 3, addressLo: 0x4000 })
    fake.send({ pasid: 1, grpid: 1, last: false, addressLo: 0x5000 })
    rig.run()
    expect(fake.responses).toEqual(['1 3 0'])
    expect(handler.groups.map(({ last }) => last.grpid)).toEqual([2])
    expect([fake.device.faultParam!.partialCount, rig.driver.pageRequests.overflows]).toEqual([0, 1])
    fake.send({ pasid: 1, grpid: 1, addressLo: 0x6000 })
    rig.run()
    expect(addressesOf(handler.groups[1]!)).toEqual([0x6000])
  })

  test('a drain waits until the overflow is over', () => {
    const { rig, fake, handler } = bench({ unit: { pageRequestsMax: 2, latencies: { interrupt: 5000 } } })
    for (const grpid of [1, 2, 3]) fake.send({ pasid: 1, grpid })
    rig.core.release(fake.device)
    expect(rig.driver.pageRequests.overflowed).toBe(false)
    expect(handler.groups.map(({ last }) => last.grpid)).toEqual([1, 2])
    rig.run()
    expect(fake.responses).toEqual(['1 3 0'])
  })
})
