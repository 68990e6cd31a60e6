// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { addressesOf, KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { CommandRing } from './command-ring.ts'
import { PageRequestHandler } from './page-requests.ts'
import { RingMemory } from './ring-memory.ts'
import { SimpleDevices } from './simple-device.ts'
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

  test('a requester that the driver does not know is refused, with the PASID of its record', () => {
    const rig = new Rig({ engines: 0 })
    const ring = new RingMemory(rig.memory, rig.frames, 4)
    ring.words.set([(RID << 16) | 0x101, 9, (6 << 3) | 5, 0], ring.wordOf(0))
    const sent: unknown[] = []
    const commands = new CommandRing(rig.world, rig.unit, new RingMemory(rig.memory, rig.frames, 4))
    commands.pageResponse = (...response): void => void sent.push(response)
    const unit = {
      readRegister: (offset: number): number => (offset === 0x3c ? 1 : 0),
      writeRegister(): void {},
    }
    const { world } = rig
    const { queue } = rig.driver
    const devices = new SimpleDevices()
    new PageRequestHandler({ world, unit, ring, commands, devices, queue, virtualBits: 48 }).service()
    expect(sent).toEqual([[RID, 9, 6, 1, 0, 0]])
  })

  test('a drain in the middle of a batch takes what has arrived meanwhile; nothing is read twice', () => {
    const rig = new Rig({ engines: 0 })
    const ring = new RingMemory(rig.memory, rig.frames, 4)
    for (let i = 0; i < 3; i++) ring.words.set([(RID << 16) | 1, 0, (i << 3) | 5, 0], ring.wordOf(i))
    const commands = new CommandRing(rig.world, rig.unit, new RingMemory(rig.memory, rig.frames, 4))
    let tail = 2
    let head = 0
    const unit = {
      readRegister: (offset: number): number => (offset === 0x3c ? tail : 0),
      writeRegister(offset: number, value: number): void {
        if (offset === 0x38) head = value
      },
    }
    const answered: number[] = []
    commands.pageResponse = (_rid, _pasid, grpid): void => {
      answered.push(grpid)
      if (grpid !== 0) return
      handler.service()
      tail = 3
      handler.service()
    }
    const { world } = rig
    const { queue } = rig.driver
    const devices = new SimpleDevices()
    const handler = new PageRequestHandler({ world, unit, ring, commands, devices, queue, virtualBits: 48 })
    handler.service()
    expect([answered, head]).toEqual([[0, 1, 2], 3])
  })

  test('a device that leaves is drained first, also when its faults are off: INVALID', () => {
    const rig = new Rig({ engines: 0, unit: { latencies: { interrupt: 5000 } } })
    const fake = rig.plugFake(RID)
    fake.send({ pasid: 1, grpid: 5 })
    rig.core.release(fake.device)
    rig.run()
    expect(fake.responses).toEqual(['1 5 1'])
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
    expect(fake.responses).toEqual(['-1 5 0', '2 6 15'])
  })

  test('a function that wants no PASID in responses gets none', () => {
    const rig = new Rig({ engines: 0 })
    const fake = rig.plugFake(RID, { responsePasidRequired: false })
    const handler = new KeepingHandler()
    rig.attachPasid(1, handler, fake.device)
    fake.send({ pasid: 1, grpid: 5 })
    rig.run()
    handler.answer(0)
    rig.run()
    expect(fake.responses).toEqual(['-1 5 0'])
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

  test('records are handled in order, over the end of the ring, again and again', () => {
    const { rig, fake, handler } = bench({ driver: { rings: { pageRequests: 5 } } })
    for (let round = 0; round < 7; round++) {
      fake.send({ pasid: 1, grpid: round, addressLo: 0x1000, last: false })
      fake.send({ pasid: 1, grpid: round, addressLo: 0x2000, last: false })
      fake.send({ pasid: 1, grpid: round, addressLo: 0x3000 })
      rig.run()
      expect(addressesOf(handler.groups[0]!)).toEqual([0x1000, 0x2000, 0x3000])
      handler.answer(0)
    }
    rig.run()
    expect(fake.responses).toHaveLength(7)
  })

  test('a handler that drains from within gets the rest of the ring, each record once', () => {
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
    expect(fake.responses).toEqual(['1 3 15', '1 2 15', '1 1 15'])
  })
})

describe('overflow (spec/04 §1.3, step 4)', () => {
  test('open requests are forgotten, the bit is cleared, and requests arrive again', () => {
    const options = { driver: { rings: { pageRequests: 4 } }, unit: { latencies: { interrupt: 5000 } } }
    const { rig, fake, handler } = bench(options)
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
    const options = { driver: { rings: { pageRequests: 3 } }, unit: { latencies: { interrupt: 5000 } } }
    const { rig, fake, handler } = bench(options)
    for (const grpid of [1, 2, 3]) fake.send({ pasid: 1, grpid })
    rig.core.release(fake.device)
    expect(rig.driver.pageRequests.overflowed).toBe(false)
    expect(handler.groups.map(({ last }) => last.grpid)).toEqual([1, 2])
    rig.run()
    expect(fake.responses).toEqual(['1 3 0'])
  })
})
