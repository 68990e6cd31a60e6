// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import * as L from '../../iommus/simple/layout.ts'
import { READ_WRITE, RID } from '../../iommus/simple/scripted-driver.suite.ts'
import { MOCK } from '../../page-tables/formats/mock.ts'
import { ACCESS_PRIV, ACCESS_READ, NO_PASID } from '../../pci/messages.ts'
import { EngineRig } from './engine-rig.suite.ts'
import { createTransfer } from './transfer.ts'

const SOURCE = 0x12_3456_0000n
const DESTINATION = 0x7f_0000_0000n

describe('bytes move', () => {
  test.each([0, 1, 2, 63, 64, 4095, 4096, 4097, 8192, 100_000])(
    'a copy of %i bytes at any alignment, faulting everything in',
    (length) => {
      for (const [from, to] of [
        [0n, 0n],
        [1n, 0n],
        [0n, 4095n],
        [4093n, 17n],
      ] as const) {
        const rig = new EngineRig()
        const transfer = rig.run({
          op: 'copy',
          source: SOURCE + from,
          destination: DESTINATION + to,
          lengthBytes: length,
        })
        expect(transfer.status).toBe('done')
        expect(transfer.bytesDone).toBe(length)
        expect(rig.bytes(DESTINATION + to, length)).toEqual(rig.bytes(SOURCE + from, length))
      }
    },
  )

  test('nothing outside the range is touched', () => {
    const rig = new EngineRig()
    rig.mapPage(0, 0x1000)
    rig.mapPage(0, 0x2000)
    rig.mapPage(0, 0x8000)
    const before = rig.bytes(0x1000n, 8192)
    rig.run({ op: 'copy', source: 0x8100n, destination: 0x1ffen, lengthBytes: 4 })
    const after = rig.bytes(0x1000n, 8192)
    expect(after.slice(0, 0xffe)).toEqual(before.slice(0, 0xffe))
    expect(after.slice(0x1002)).toEqual(before.slice(0x1002))
    expect(after.slice(0xffe, 0x1002)).toEqual(rig.bytes(0x8100n, 4))
  })

  test('a fill writes its byte', () => {
    const rig = new EngineRig()
    rig.run({ op: 'fill', destination: 0x1ffdn, lengthBytes: 5, value: 0xab })
    expect(rig.bytes(0x1ffdn, 5)).toEqual([0xab, 0xab, 0xab, 0xab, 0xab])
  })

  test('what was written from the device can be read back', () => {
    const rig = new EngineRig()
    const out = Uint8Array.from({ length: 9000 }, (_, i) => i * 7)
    const back = new Uint8Array(9000)
    rig.run({ op: 'write', destination: 0x5123n, lengthBytes: 9000, buffer: out })
    rig.run({ op: 'read', source: 0x5123n, lengthBytes: 9000, buffer: back })
    expect(back).toEqual(out)
  })

  test('addresses cross 4 GiB', () => {
    const rig = new EngineRig({ engine: { groupPages: 4 } })
    const transfer = rig.run({ op: 'fill', destination: 0xffff_f800n, lengthBytes: 8192, value: 1 })
    expect(transfer.status).toBe('done')
    expect(rig.groups.flat().map(({ hi, lo }) => [hi, lo >>> 0])).toEqual([
      [0, 0xfffff000],
      [1, 0],
      [1, 0x1000],
    ])
  })

  test('resident pages are moved in bursts, without a step a page', () => {
    const rig = new EngineRig({ engine: { burstPages: 64 } })
    const source = rig.driver.allocTable()
    for (let i = 1; i < 64; i++) rig.driver.allocTable()
    rig.table.map(0, 0, source, 64, READ_WRITE)
    rig.table.map(1, 0, 3000, 64, READ_WRITE)
    const transfer = rig.run({ op: 'copy', source: 0n, destination: 1n << 32n, lengthBytes: 64 * 4096 })
    expect(transfer.status).toBe('done')
    expect(rig.driver.world.scheduler.steps).toBe(1)
  })

  test('time is spent on each page and each translation request', () => {
    const rig = new EngineRig({ engine: { latencies: { ats: 1000, dma: 100 }, burstPages: 8 } })
    rig.table.map(0, 0, 3000, 16, READ_WRITE)
    rig.run({ op: 'fill', destination: 0n, lengthBytes: 16 * 4096 })
    expect(rig.driver.world.clock.now).toBe(16 * 1000 + 16 * 100)
  })

  test('a small cache and many channels still make progress while translations take time', () => {
    const rig = new EngineRig({
      engine: { atcEntries: 4, transfersInFlightMax: 16, latencies: { ats: 500 } },
    })
    rig.table.map(0, 0, 2048, 1024, READ_WRITE)
    const transfers = Array.from({ length: 16 }, (_, i) =>
      rig.submit({ op: 'copy', source: BigInt(i * 65536), destination: 0x200000n, lengthBytes: 65536 }),
    )
    rig.settle()
    expect(new Set(transfers.map(({ status }) => status))).toEqual(new Set(['done']))
  })

  test('tens of megabytes, pages of the range sharing a frame', () => {
    const rig = new EngineRig({ engine: { groupPages: 32 } })
    rig.answer = (group) => {
      for (const { hi, lo } of group) rig.table.map(hi, lo, 3000, 1, READ_WRITE)
      return 0
    }
    const length = 40_000_001
    const transfer = rig.run({ op: 'fill', destination: 0xff00_0fffn, lengthBytes: length, value: 3 })
    expect(transfer).toMatchObject({ status: 'done', bytesDone: length, faultsTaken: 9767 })
    expect(rig.engine.counters.groups).toBe(Math.ceil(9767 / 32))
  })

  test('a length that no memory can hold ends where the handler says so', () => {
    const rig = new EngineRig({ engine: { groupPages: 3 } })
    rig.answer = (group) => (group[0]!.lo === 0 ? rig.mapAll(group) : 1)
    const transfer = rig.run({ op: 'fill', destination: 0n, lengthBytes: 2 ** 52 })
    expect(transfer).toMatchObject({ status: 'invalid', bytesDone: 3 * 4096 })
  })

  test('a frame that does not exist ends the transfer', () => {
    const rig = new EngineRig()
    rig.table.map(0, 0x1000, 1 << 20, 1, READ_WRITE)
    expect(rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1 }).status).toBe('bus-error')
  })
})

describe('groups larger than the ring', () => {
  test('never reach the handler whole: the unit answers Success until the retries are used up', () => {
    const rig = new EngineRig({ requestEntries: 4, engine: { groupPages: 8, retriesMax: 5 } })
    expect(rig.run({ op: 'fill', destination: 0n, lengthBytes: 32_768 }).status).toBe('retries')
    expect(rig.groups).toEqual([])
  })
})

describe('many transfers', () => {
  test('run beside each other up to the limit, and the others follow in order', () => {
    const rig = new EngineRig({ engine: { transfersInFlightMax: 2 } })
    const order: number[] = []
    for (let i = 0; i < 5; i++) {
      rig.submit({
        op: 'fill',
        destination: BigInt(i) << 20n,
        lengthBytes: 1,
        onDone: () => order.push(i),
      })
    }
    expect([rig.engine.inFlight, rig.engine.queued.length]).toEqual([2, 3])
    rig.settle()
    expect(order).toEqual([0, 1, 2, 3, 4])
    expect(rig.engine.idle).toBe(true)
  })

  test('a transfer can be submitted again from its onDone', () => {
    const rig = new EngineRig()
    let rounds = 0
    rig.submit({
      op: 'fill',
      destination: 0x1000n,
      lengthBytes: 1,
      onDone: (transfer) => {
        if (++rounds < 3) rig.engine.submit(transfer)
      },
    })
    rig.settle()
    expect(rounds).toBe(3)
    expect(rig.engine.counters.transfers).toBe(3)
  })

  test('submitting does not call back within the call, not even for nothing to do', () => {
    const rig = new EngineRig()
    let done = false
    rig.submit({ op: 'copy', lengthBytes: 0, onDone: () => (done = true) })
    expect(done).toBe(false)
    rig.settle()
    expect(done).toBe(true)
  })
})

describe('without ATS', () => {
  test('untranslated requests move bytes and cache nothing', () => {
    const rig = new EngineRig({ ats: false })
    rig.mapPage(0, 0x1000)
    rig.mapPage(0, 0x8000)
    expect(rig.run({ op: 'copy', source: 0x1000n, destination: 0x8000n, lengthBytes: 4096 }).status).toBe(
      'done',
    )
    expect(rig.bytes(0x8000n, 4096)).toEqual(rig.bytes(0x1000n, 4096))
    expect(rig.engine.cache.used).toBe(0)
    expect(rig.engine.counters.translationRequests).toBe(0)
  })

  test('a missing page is an unrecoverable fault (spec/04 §1.7)', () => {
    const rig = new EngineRig({ ats: false })
    expect(rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1 }).status).toBe('unrecoverable')
    expect(rig.driver.takeFaults()).toMatchObject([{ reason: L.REASON_NOT_PRESENT, pasid: 5, kind: 0 }])
    expect(rig.groups).toEqual([])
  })

  test('granules of 2 KiB are respected', () => {
    const rig = new EngineRig({ ats: false })
    const table = rig.driver.pageTable(MOCK)
    rig.driver.setSpace(RID, 7, { root: table.root, format: L.FORMAT_MOCK, domain: 3 })
    table.mapGranules(0, 0x1000, 2 * 2100 + 1, 1, READ_WRITE)
    table.mapGranules(0, 0x1800, 2 * 2200, 1, READ_WRITE)
    rig.run({ op: 'fill', pasid: 7, destination: 0x17ffn, lengthBytes: 2, value: 9 })
    expect(rig.driver.memory.bytes[2100 * 4096 + 4095]).toBe(9)
    expect(rig.driver.memory.bytes[2200 * 4096]).toBe(9)
  })
})

describe('PASIDs', () => {
  test('go with each transfer: the same address, different pages', () => {
    const rig = new EngineRig()
    const other = rig.driver.pageTable()
    rig.driver.setSpace(RID, 6, { root: other.root, domain: 2 })
    rig.table.map(0, 0x1000, 3001, 1, READ_WRITE)
    other.map(0, 0x1000, 3002, 1, READ_WRITE)
    rig.run({ op: 'fill', pasid: 5, destination: 0x1000n, lengthBytes: 1, value: 5 })
    rig.run({ op: 'fill', pasid: 6, destination: 0x1000n, lengthBytes: 1, value: 6 })
    expect([rig.driver.memory.bytes[3001 * 4096], rig.driver.memory.bytes[3002 * 4096]]).toEqual([5, 6])
  })

  test('requests without PASID use the space of the requester', () => {
    const rig = new EngineRig()
    const transfer = rig.run({ op: 'fill', pasid: NO_PASID, destination: 0x1000n, lengthBytes: 1 })
    expect(transfer.status).toBe('done')
    expect(rig.groups[0]![0]!.pasid).toBe(NO_PASID)
  })

  test('one that the capability does not allow ends the transfer', () => {
    const rig = new EngineRig({ engine: { pasid: { width: 4, exec: false, priv: false } } })
    expect(rig.run({ op: 'fill', pasid: 16, destination: 0n, lengthBytes: 1 }).status).toBe('unrecoverable')
    const without = new EngineRig({ engine: { pasid: undefined } })
    expect(without.run({ op: 'fill', destination: 0n, lengthBytes: 1 }).status).toBe('unrecoverable')
  })

  test('privileged requests reach supervisor pages, others ask and are refused', () => {
    const rig = new EngineRig()
    rig.table.map(0, 0x1000, 3000, 1, ACCESS_READ | ACCESS_PRIV)
    rig.answer = () => 1
    const buffer = new Uint8Array(1)
    const read = { op: 'read', source: 0x1000n, lengthBytes: 1, buffer } as const
    expect(rig.run({ ...read, privileged: true }).status).toBe('done')
    expect(rig.run(read).status).toBe('invalid')
    expect(rig.groups[0]![0]!.priv).toBe(false)
  })
})

describe('createTransfer', () => {
  test('splits addresses and fills in what is left out', () => {
    const transfer = createTransfer({ op: 'read', source: 0xffff_8000_9000_1234n, lengthBytes: 12n })
    expect([transfer.sourceHi >>> 0, transfer.sourceLo >>> 0]).toEqual([0xffff8000, 0x90001234])
    expect(transfer).toMatchObject({ pasid: NO_PASID, lengthBytes: 12, status: 'idle', privileged: false })
  })
})
