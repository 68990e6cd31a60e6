// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import * as L from '../../iommus/simple/layout.ts'
import { RID } from '../../iommus/simple/scripted-driver.suite.ts'
import { PRI_STOPPED } from '../../pci/config-layout.ts'
import { NO_PASID, PRG_SUCCESS } from '../../pci/messages.ts'
import { EngineRig, type RigOptions } from './engine-rig.suite.ts'

const FILL = { op: 'fill', destination: 0x10000n, lengthBytes: 4 * 4096 } as const

/** A rig whose handler leaves every group unanswered. */
function silent(options: RigOptions = {}) {
  const rig = new EngineRig(options)
  rig.answer = () => undefined
  return rig
}

describe('abort', () => {
  test('of a queued transfer ends it and leaves the others', () => {
    const rig = new EngineRig({ engine: { transfersInFlightMax: 1 } })
    const first = rig.submit(FILL)
    const second = rig.submit(FILL)
    rig.engine.abort(second)
    rig.settle()
    expect([first.status, second.status]).toEqual(['done', 'aborted'])
  })

  test('while a request is outstanding: the late response is accepted and returns its credits', () => {
    const rig = silent()
    const transfer = rig.submit(FILL)
    rig.settle()
    rig.engine.abort(transfer)
    expect(transfer.status).toBe('aborted')
    expect(rig.engine.outstandingRequests).toBe(1)
    rig.respond(rig.groups[0]![0]!, PRG_SUCCESS)
    rig.settle()
    expect(rig.engine.outstandingRequests).toBe(0)
    expect(rig.engine.counters).toMatchObject({ lateResponses: 1, unexpectedPrgi: 0 })
    expect(transfer).toMatchObject({ status: 'aborted', bytesDone: 0 })
  })

  test('while the request is still on its way: it is issued all the same', () => {
    const rig = silent({ engine: { latencies: { pageRequest: 500 } } })
    const transfer = rig.submit(FILL)
    rig.driver.world.scheduler.step()
    rig.engine.abort(transfer)
    expect(rig.groups).toHaveLength(0)
    rig.settle()
    expect(rig.groups).toHaveLength(1)
  })

  test('of one that waits for credits lets the next have its turn', () => {
    const rig = silent({ allocation: 1 })
    const [first, second, third] = [0n, 1n, 2n].map((i) =>
      rig.submit({ op: 'fill', destination: i << 16n, lengthBytes: 1 }),
    )
    rig.settle()
    rig.engine.abort(second!)
    rig.answer = (group) => rig.mapAll(group)
    rig.respond(rig.groups[0]![0]!, rig.mapAll(rig.groups[0]!))
    rig.settle()
    expect([first!.status, second!.status, third!.status]).toEqual(['done', 'aborted', 'done'])
  })

  test('calls onDone once, from where the transfer may be submitted again', () => {
    const rig = silent()
    let calls = 0
    const transfer = rig.submit({
      ...FILL,
      onDone: (ended) => {
        calls++
        rig.answer = (group) => rig.mapAll(group)
        if (ended.status === 'aborted') rig.engine.submit(ended)
      },
    })
    rig.settle()
    rig.engine.abort(transfer)
    rig.settle()
    expect([calls, transfer.status]).toEqual([2, 'done'])
    rig.engine.abort(transfer)
    expect(calls).toBe(2)
  })
})

describe('stop using a PASID (spec/01 §6.2: Stop Marker)', () => {
  test('aborts its transfers, then sends a Stop Marker that takes no credit', () => {
    const rig = silent({ allocation: 1 })
    const mine = rig.submit(FILL)
    const other = rig.submit({ ...FILL, pasid: NO_PASID, destination: 0n })
    rig.settle()
    let stopped = false
    rig.engine.stopPasid(5, 'abort', () => (stopped = true))
    expect([mine.status, stopped]).toEqual(['aborted', true])
    rig.settle()
    expect(rig.stopMarkers).toEqual([5])
    expect(rig.engine.outstandingRequests).toBe(1)
    expect(other.status).toBe('running')
  })

  test('the marker is ordered behind the page requests of the PASID', () => {
    const rig = silent({ engine: { latencies: { pageRequest: 500 }, groupPages: 4 } })
    rig.driver.unit.interrupts.pageRequest.connect(undefined)
    rig.submit(FILL)
    rig.driver.world.scheduler.step()
    rig.engine.stopPasid(5)
    rig.settle()
    expect(rig.driver.takeRequests().map(({ write }) => write)).toEqual([true, true, true, true, false])
  })

  test('finish: waits for its transfers, refuses new ones, then sends the marker', () => {
    const rig = new EngineRig({ engine: { transfersInFlightMax: 1 } })
    const running = rig.submit(FILL)
    const queued = rig.submit({ ...FILL, destination: 0x90000n })
    let stopped = 0
    rig.engine.stopPasid(5, 'finish', () => stopped++)
    const late = rig.submit(FILL)
    expect(stopped).toBe(0)
    rig.settle()
    expect([running.status, queued.status, late.status, stopped]).toEqual(['done', 'done', 'aborted', 1])
    expect(rig.stopMarkers).toEqual([5])
    expect(rig.run(FILL).status).toBe('done')
  })

  test('there is no marker without a PASID or with PRI off', () => {
    const rig = new EngineRig()
    rig.engine.stopPasid(NO_PASID)
    rig.priControl(0)
    rig.engine.stopPasid(5)
    rig.settle()
    expect(rig.engine.counters.stopMarkers).toBe(0)
  })
})

describe('stop and removal', () => {
  test('stop aborts everything and takes nothing until start', () => {
    const rig = silent({ allocation: 2, engine: { transfersInFlightMax: 3 } })
    const transfers = Array.from({ length: 6 }, (_, i) =>
      rig.submit({ op: 'fill', destination: BigInt(i) << 16n, lengthBytes: 1 }),
    )
    rig.settle()
    rig.engine.stop()
    expect(transfers.every(({ status }) => status === 'aborted')).toBe(true)
    let refused = ''
    rig.submit({ ...FILL, onDone: ({ status }) => (refused = status) })
    expect(refused).toBe('')
    rig.settle()
    expect(refused).toBe('aborted')
    expect(rig.engine.idle).toBe(true)
    rig.answer = (group) => rig.mapAll(group)
    rig.engine.start()
    for (const [record] of rig.groups) rig.respond(record!, PRG_SUCCESS)
    rig.settle()
    expect(rig.engine.counters.lateResponses).toBe(2)
    expect(rig.run(FILL).status).toBe('done')
  })

  test('a transfer that is submitted again by its onDone does not keep stop from ending', () => {
    const rig = silent()
    let ends = 0
    const transfer = rig.submit({
      ...FILL,
      onDone: (ended) => {
        if (++ends < 3) rig.engine.submit(ended)
      },
    })
    rig.settle()
    rig.engine.stop()
    rig.settle()
    expect([ends, transfer.status]).toEqual([3, 'aborted'])
  })

  test('removal leaves nothing: no alarm, no outstanding request, no translation, no answer', () => {
    const rig = silent({ engine: { latencies: { pageRequest: 500 } } })
    rig.mapPage(0, 0x1000)
    rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
    rig.submit(FILL)
    rig.submit({ ...FILL, destination: 0x90000n })
    rig.driver.world.scheduler.step()
    rig.engine.remove()
    expect(rig.driver.world.clock.armedCount).toBe(0)
    expect(rig.engine.idle).toBe(true)
    expect([rig.engine.outstandingRequests, rig.engine.cache.used]).toEqual([0, 0])
    expect(rig.priStatus() & PRI_STOPPED).toBe(PRI_STOPPED)
    rig.driver.respond(RID, 5, 0, PRG_SUCCESS)
    rig.driver.invalidateAtc(RID, 5)
    rig.settle()
    expect(rig.driver.wait()).toBe(false)
    rig.driver.unit.disconnect(RID)
    expect(rig.driver.waited()).toBe(true)
  })
})

describe('invalidation', () => {
  test('completes within the command, page requests on their way ahead of it', () => {
    const rig = silent({ engine: { latencies: { pageRequest: 500 } } })
    rig.driver.unit.interrupts.pageRequest.connect(undefined)
    rig.submit(FILL)
    rig.driver.world.scheduler.step()
    expect(rig.driver.read(L.REG_PAGE_REQUEST_TAIL)).toBe(0)
    rig.driver.invalidateAtc(RID, 5)
    expect(rig.driver.wait()).toBe(true)
    expect(rig.driver.read(L.REG_PAGE_REQUEST_TAIL)).toBe(1)
  })

  test('takes its time where configured, and then completes in order', () => {
    const rig = new EngineRig({ engine: { latencies: { invalidation: 700 } } })
    rig.driver.invalidateAtc(RID, 5)
    rig.driver.invalidateAtc(RID, NO_PASID)
    expect(rig.driver.wait()).toBe(false)
    rig.settle()
    expect(rig.driver.waited()).toBe(true)
    expect(rig.driver.world.clock.now).toBe(700)
  })

  test('drops what a channel holds between steps', () => {
    const rig = new EngineRig({ engine: { latencies: { ats: 100 } } })
    rig.mapPage(0, 0x1000)
    rig.mapPage(0, 0x8000)
    const transfer = rig.submit({ op: 'copy', source: 0x1000n, destination: 0x8000n, lengthBytes: 4096 })
    rig.driver.world.scheduler.step()
    rig.driver.world.scheduler.step()
    const old = rig.frameAt(0, 0x1000)
    expect(rig.unmapPage(0, 0x1000)).toBe(true)
    rig.driver.memory.fill(old, 0, 4096, 0xee)
    rig.settle()
    expect(transfer.status).toBe('done')
    expect(rig.groups).toHaveLength(1)
    expect(rig.bytes(0x8000n, 4096)).toEqual(rig.bytes(0x1000n, 4096))
  })

  test('of another PASID leaves the cache alone', () => {
    const rig = new EngineRig()
    rig.mapPage(0, 0x1000)
    rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
    rig.driver.invalidateAtc(RID, 6)
    expect(rig.engine.cache.used).toBe(1)
    rig.driver.invalidateAtc(RID, 5, 0, 0, 32)
    expect(rig.engine.cache.used).toBe(0)
    expect(rig.engine.counters.invalidations).toBe(2)
  })
})
