// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { READ_WRITE } from '../../iommus/simple/scripted-driver.suite.ts'
import { EngineRig } from './engine-rig.suite.ts'
import type { TransferOptions } from './transfer.ts'

/** An engine, and a copy of one page that needs no page request. */
function setUp(): { rig: EngineRig; copy: TransferOptions } {
  const rig = new EngineRig({ engine: { transfersInFlightMax: 2 } })
  rig.table.map(0, 0x1000, 2100, 1, READ_WRITE)
  rig.table.map(0, 0x2000, 2300, 1, READ_WRITE)
  return { rig, copy: { op: 'copy', source: 0x1000n, destination: 0x2000n, lengthBytes: 4096 } }
}

test('channels that are ready share a step', () => {
  const { rig, copy } = setUp()
  rig.submit(copy)
  rig.submit(copy)
  rig.settle()
  expect(rig.driver.world.scheduler.steps).toBe(1)
  expect(rig.engine.counters.pagesMoved).toBe(2)
})

test('a transfer that is submitted from the end of another waits for the next step', () => {
  const { rig, copy } = setUp()
  let left = 5
  const again: TransferOptions = {
    ...copy,
    onDone: () => {
      if (left-- > 0) rig.submit(again)
    },
  }
  rig.submit(again)
  rig.settle()
  expect(rig.driver.world.scheduler.steps).toBe(6)
})

test('who hears of an end and throws does not keep back the channels that are ready', () => {
  const { rig, copy } = setUp()
  rig.submit({
    ...copy,
    onDone: () => {
      throw new Error('heard')
    },
  })
  const second = rig.submit(copy)
  expect(() => rig.settle()).toThrow('heard')
  rig.settle()
  expect(second.status).toBe('done')
})

test('a transfer that is aborted while its channel is ready is not run', () => {
  const { rig, copy } = setUp()
  const transfer = rig.submit(copy)
  rig.engine.abort(transfer)
  rig.settle()
  expect(transfer).toMatchObject({ status: 'aborted', bytesDone: 0 })
  expect(rig.driver.world.scheduler.steps).toBe(0)
})
