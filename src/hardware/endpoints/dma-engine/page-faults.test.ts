// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import {
  PRI_ENABLE,
  PRI_RESET,
  PRI_RESPONSE_FAILURE,
  PRI_STOPPED,
  PRI_UNEXPECTED_PRGI,
} from '../../pci/config-layout.ts'
import { PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE, PRG_SUCCESS } from '../../pci/messages.ts'
import { READ_WRITE, RID } from '../../iommus/simple/scripted-driver.suite.ts'
import { EngineRig } from './engine-rig.suite.ts'

const FILL = { op: 'fill', destination: 0x10000n, lengthBytes: 8 * 4096 } as const
const pages = (rig: EngineRig): number[][] => rig.groups.map((group) => group.map(({ lo }) => lo >>> 12))

describe('page-request groups', () => {
  test('of one page: one request, which is the last', () => {
    const rig = new EngineRig()
    rig.run({ ...FILL, lengthBytes: 8192 })
    expect(pages(rig)).toEqual([[0x10], [0x11]])
    expect(rig.groups.flat().every(({ last, write, read }) => last && write && !read)).toBe(true)
  })

  test('of n pages: the missing page and those behind it, one group index, the last flag at the end', () => {
    const rig = new EngineRig({ engine: { groupPages: 4 } })
    const transfer = rig.run(FILL)
    expect(pages(rig)).toEqual([
      [0x10, 0x11, 0x12, 0x13],
      [0x14, 0x15, 0x16, 0x17],
    ])
    expect(rig.groups[0]!.map(({ last }) => last)).toEqual([false, false, false, true])
    expect(new Set(rig.groups[0]!.map(({ grpid }) => grpid)).size).toBe(1)
    expect(transfer).toMatchObject({ status: 'done', faultsTaken: 8, retries: 2 })
  })

  test('end with the transfer', () => {
    const rig = new EngineRig({ engine: { groupPages: 32 } })
    rig.run({ op: 'fill', destination: 0x10fffn, lengthBytes: 4098 })
    expect(pages(rig)).toEqual([[0x10, 0x11, 0x12]])
  })

  test('leave out pages that the cache holds', () => {
    const rig = new EngineRig({ engine: { groupPages: 4 } })
    rig.mapPage(0, 0x11000)
    rig.run({ op: 'fill', destination: 0x11000n, lengthBytes: 1 })
    rig.run({ ...FILL, lengthBytes: 5 * 4096 })
    expect(pages(rig)).toEqual([[0x10, 0x12, 0x13, 0x14]])
  })

  test('ask for reading at the source and for writing at the destination', () => {
    const rig = new EngineRig()
    rig.run({ op: 'copy', source: 0x1000n, destination: 0x2000n, lengthBytes: 1 })
    expect(rig.groups.flat().map(({ lo, read, write }) => [lo, read, write])).toEqual([
      [0x1000, true, false],
      [0x2000, false, true],
    ])
  })

  test('are as large as credits allow', () => {
    const rig = new EngineRig({ engine: { groupPages: 8 }, allocation: 3 })
    rig.run(FILL)
    expect(pages(rig).map((group) => group.length)).toEqual([3, 3, 2])
  })
})

describe('credits', () => {
  test('none left: transfers wait and are served in order', () => {
    const rig = new EngineRig({ allocation: 1 })
    const order: number[] = []
    for (let i = 0; i < 4; i++)
      rig.submit({ op: 'fill', destination: BigInt(i) << 16n, lengthBytes: 1, onDone: () => order.push(i) })
    rig.settle()
    expect(order).toEqual([0, 1, 2, 3])
    expect(rig.engine.counters.creditWaits).toBe(3)
    expect(rig.engine.outstandingRequests).toBe(0)
  })

  test('a newcomer does not overtake those who wait', () => {
    const rig = new EngineRig({ allocation: 2, engine: { groupPages: 2 } })
    const held: (() => void)[] = []
    rig.answer = (group) => {
      held.push(() => rig.respond(group[0]!, rig.mapAll(group)))
      return undefined
    }
    rig.submit({ op: 'fill', destination: 0n, lengthBytes: 8192 })
    rig.submit({ op: 'fill', destination: 0x10000n, lengthBytes: 8192 })
    rig.settle()
    rig.submit({ op: 'fill', destination: 0x20000n, lengthBytes: 1 })
    held.shift()!()
    rig.settle()
    held.shift()!()
    rig.settle()
    expect(pages(rig)).toEqual([[0, 1], [0x10, 0x11], [0x20]])
  })

  test('a waiter whose page has come meanwhile leaves its place to the next', () => {
    const rig = new EngineRig({ allocation: 1 })
    const first = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
    const same = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
    const other = rig.submit({ op: 'fill', destination: 0x9000n, lengthBytes: 1 })
    rig.settle()
    expect([first.status, same.status, other.status]).toEqual(['done', 'done', 'done'])
    expect(pages(rig)).toEqual([[1], [9]])
  })

  test('more groups than indices: 512 at a time', () => {
    const rig = new EngineRig({
      frames: 8192,
      firstDataFrame: 6000,
      requestEntries: 128,
      engine: { transfersInFlightMax: 600, pri: { capacity: 1000, responsePasidRequired: true } },
    })
    rig.answer = () => undefined
    const transfers = Array.from({ length: 600 }, (_, i) =>
      rig.submit({ op: 'fill', destination: BigInt(i) << 12n, lengthBytes: 1 }),
    )
    rig.settle()
    expect(rig.groups).toHaveLength(512)
    expect(rig.engine.pri.outstandingGroups).toBe(512)
    const indices = rig.groups.map((group) => group[0]!.grpid)
    expect(new Set(indices).size).toBe(512)
    rig.answer = (group) => rig.mapAll(group)
    for (const [record] of rig.groups) rig.respond(record!, rig.mapAll([record!]))
    rig.settle()
    expect(transfers.every(({ status }) => status === 'done')).toBe(true)
    expect(rig.engine.idle).toBe(true)
  })
})

describe('responses', () => {
  test('Invalid Request ends the transfer, and PRI goes on', () => {
    const rig = new EngineRig()
    rig.answer = () => PRG_INVALID_REQUEST
    expect(rig.run(FILL)).toMatchObject({ status: 'invalid', bytesDone: 0, faultsTaken: 1 })
    rig.answer = (group) => rig.mapAll(group)
    expect(rig.run(FILL).status).toBe('done')
    expect(rig.engine.counters).toMatchObject({ invalid: 1, success: 8, failure: 0 })
  })

  test('what was moved before the Invalid Request stays moved', () => {
    const rig = new EngineRig()
    rig.answer = (group) => (group[0]!.lo >= 0x13000 ? PRG_INVALID_REQUEST : rig.mapAll(group))
    expect(rig.run(FILL)).toMatchObject({ status: 'invalid', bytesDone: 3 * 4096 })
  })

  test.each([PRG_RESPONSE_FAILURE, 2])('code %i shuts PRI off and ends all that wait for it', (code) => {
    const rig = new EngineRig({ allocation: 2 })
    rig.answer = () => undefined
    const waiting = [0n, 0x10000n, 0x20000n, 0x30000n].map((destination) =>
      rig.submit({ op: 'fill', destination, lengthBytes: 1 }),
    )
    rig.settle()
    rig.respond(rig.groups[0]![0]!, code)
    rig.settle()
    expect(waiting.map(({ status }) => status)).toEqual(['failure', 'failure', 'failure', 'failure'])
    expect(rig.priStatus() & (PRI_RESPONSE_FAILURE | PRI_STOPPED)).toBe(PRI_RESPONSE_FAILURE | PRI_STOPPED)
    expect(rig.engine.outstandingRequests).toBe(0)
    expect(rig.engine.counters).toMatchObject({ failure: 1, groupsDropped: 1 })
  })

  test('after Response Failure a missing page is an error at once, and a late response is ignored', () => {
    const rig = new EngineRig()
    rig.answer = () => undefined
    rig.submit({ ...FILL, lengthBytes: 1 })
    rig.submit({ op: 'fill', destination: 0n, lengthBytes: 1 })
    rig.settle()
    rig.respond(rig.groups[0]![0]!, PRG_RESPONSE_FAILURE)
    rig.respond(rig.groups[1]![0]!, PRG_SUCCESS)
    rig.settle()
    expect(rig.engine.counters.ignoredResponses).toBe(1)
    expect(rig.priStatus() & PRI_UNEXPECTED_PRGI).toBe(0)
    expect(rig.run({ ...FILL, lengthBytes: 1 }).status).toBe('unrecoverable')
    rig.answer = (group) => rig.mapAll(group)
    rig.priControl(PRI_ENABLE)
    expect(rig.run({ ...FILL, lengthBytes: 1 }).status).toBe('done')
  })

  test('a second answer is unexpected and changes nothing', () => {
    const rig = new EngineRig()
    rig.answer = (group) => {
      rig.respond(group[0]!, rig.mapAll(group))
      return PRG_SUCCESS
    }
    expect(rig.run({ ...FILL, lengthBytes: 1 }).status).toBe('done')
    expect(rig.priStatus()).toBe(PRI_UNEXPECTED_PRGI | 0x8000)
    expect(rig.engine.counters.unexpectedPrgi).toBe(1)
  })

  test('Success without a page is tried again, up to the limit (spec/01 §6.2: may loop)', () => {
    const rig = new EngineRig({ engine: { retriesMax: 3 } })
    rig.answer = () => PRG_SUCCESS
    const transfer = rig.run({ ...FILL, lengthBytes: 1 })
    expect(transfer).toMatchObject({ status: 'retries', faultsTaken: 4, retries: 4 })
    expect(rig.engine.idle).toBe(true)
  })

  test('the count starts anew with each page', () => {
    const rig = new EngineRig({ engine: { retriesMax: 1 } })
    const tries = new Map<number, number>()
    rig.answer = (group) => {
      const count = (tries.get(group[0]!.lo) ?? 0) + 1
      tries.set(group[0]!.lo, count)
      return count < 2 ? PRG_SUCCESS : rig.mapAll(group)
    }
    expect(rig.run(FILL)).toMatchObject({ status: 'done', faultsTaken: 16 })
  })

  test('the response is timed from the first request of its group', () => {
    const rig = new EngineRig({ engine: { latencies: { pageRequest: 500 } } })
    rig.run({ ...FILL, lengthBytes: 1 })
    expect(rig.driver.world.clock.now).toBe(500 + 1000 + 300)
  })
})

describe('PRI off', () => {
  test('a missing page ends the transfer', () => {
    const rig = new EngineRig({ allocation: 0 })
    expect(rig.run(FILL).status).toBe('unrecoverable')
    expect(rig.groups).toEqual([])
  })

  test('software turning it off ends those that wait for credits; those asked for are still answered', () => {
    const rig = new EngineRig({ allocation: 1 })
    rig.answer = () => undefined
    const asked = rig.submit({ ...FILL, lengthBytes: 1 })
    const waiting = rig.submit({ op: 'fill', destination: 0n, lengthBytes: 1 })
    rig.settle()
    rig.priControl(0)
    rig.settle()
    expect([asked.status, waiting.status]).toEqual(['running', 'failure'])
    expect(rig.priStatus() & PRI_STOPPED).toBe(0)
    rig.respond(rig.groups[0]![0]!, rig.mapAll(rig.groups[0]!))
    rig.settle()
    expect(asked.status).toBe('done')
    expect(rig.priStatus() & PRI_STOPPED).toBe(PRI_STOPPED)
  })

  test('Reset drops what is outstanding, and its late response is unexpected', () => {
    const rig = new EngineRig()
    rig.answer = () => undefined
    const asked = rig.submit({ ...FILL, lengthBytes: 1 })
    rig.settle()
    rig.priControl(PRI_RESET)
    rig.settle()
    expect(asked.status).toBe('failure')
    rig.priControl(PRI_ENABLE)
    rig.respond(rig.groups[0]![0]!, PRG_SUCCESS)
    rig.settle()
    expect(rig.engine.counters.unexpectedPrgi).toBe(1)
  })
})

describe('private data (spec/00 3.4)', () => {
  const options = { engine: { privateData: true }, unit: { privateData: true } }

  test('comes back with the response', () => {
    const rig = new EngineRig(options)
    expect(rig.run(FILL).status).toBe('done')
    expect(rig.groups.map((group) => group[0]!.private[0])).toEqual(Array(8).fill(1))
    expect(rig.engine.counters.privateDataMismatch).toBe(0)
  })

  test('also with an answer that the unit gives itself', () => {
    const rig = new EngineRig({ ...options, requestEntries: 2 })
    for (let i = 0n; i < 8n; i++) rig.submit({ op: 'fill', destination: i << 16n, lengthBytes: 1 })
    rig.settle()
    expect(rig.driver.unit.pageRequests.overflowed).toBeGreaterThan(0)
    expect(rig.engine.counters.privateDataMismatch).toBe(0)
  })

  test('a response with other data is counted', () => {
    const rig = new EngineRig(options)
    rig.answer = (group) => {
      rig.driver.respond(RID, 5, group[0]!.grpid, rig.mapAll(group), 1 << 9, 1, 99)
      return undefined
    }
    rig.run({ ...FILL, lengthBytes: 1 })
    expect(rig.engine.counters.privateDataMismatch).toBe(1)
  })
})

describe('a ring that overflows', () => {
  test.each([2, 3, 5])('of %i entries: everything arrives in the end', (requestEntries) => {
    const rig = new EngineRig({ requestEntries, engine: { groupPages: 4, transfersInFlightMax: 8 } })
    const transfers = Array.from({ length: 8 }, (_, i) =>
      rig.submit({ op: 'fill', destination: BigInt(i) << 20n, lengthBytes: 5 * 4096, value: i + 1 }),
    )
    // A group larger than the ring can never be seen whole: the handler maps what it sees of it.
    rig.driver.unit.interrupts.pageRequest.connect(() => {
      const seen = rig.driver.read(0x3c)
      for (let at = rig.driver.read(0x38); at !== seen; at = (at + 1) % requestEntries) {
        const offset = at * 32
        const lo = rig.driver.memory.load32(rig.driver.requestBase, offset + 8) & ~0xfff
        rig.mapPage(rig.driver.memory.load32(rig.driver.requestBase, offset + 12), lo)
      }
      rig.handle()
    })
    rig.settle()
    expect(new Set(transfers.map(({ status }) => status))).toEqual(new Set(['done']))
    expect(rig.driver.unit.pageRequests.overflowed).toBeGreaterThan(0)
    expect(rig.engine.outstandingRequests).toBe(0)
    expect(rig.bytes(7n << 20n, 4)).toEqual([8, 8, 8, 8])
  })
})

test('device-cache translations are not used once invalidated, and used stale before', () => {
  const rig = new EngineRig()
  rig.mapPage(0, 0x1000)
  rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1, value: 1 })
  const old = rig.frameAt(0, 0x1000)
  rig.table.unmap(0, 0x1000, 1)
  rig.table.map(0, 0x1000, 4000, 1, READ_WRITE)
  rig.driver.invalidateIotlb(1, 0, 0x1000, 12)
  rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1, value: 2 })
  expect(rig.driver.memory.bytes[old * 4096]).toBe(2)
  rig.driver.invalidateAtc(RID, 5, 0, 0x1000, 12)
  rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1, value: 3 })
  expect(rig.driver.memory.bytes[old * 4096]).toBe(2)
  expect(rig.driver.memory.bytes[4000 * 4096]).toBe(3)
})
