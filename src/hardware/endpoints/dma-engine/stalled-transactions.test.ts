// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { createWorld } from '../../../trace/world.ts'
import { PhysicalMemory } from '../../memory.ts'
import {
  ATS_UNSUPPORTED_REQUEST,
  NO_PASID,
  STALL_ABORT,
  STALL_RETRY,
  type TranslationAgent,
} from '../../pci/messages.ts'
import { dmaEngineConfig } from './config.ts'
import { DmaEngine } from './engine.ts'
import { createTransfer, type Transfer } from './transfer.ts'

/** A unit in which every untranslated request waits until its page is there. */
function bench(retriesMax = 256) {
  const world = createWorld()
  const memory = new PhysicalMemory({ bytes: 64 * 4096, wasm: false })
  const present = new Set<number>()
  let transactions = 0
  const agent: TranslationAgent = {
    translationRequest: () => ATS_UNSUPPORTED_REQUEST,
    pageRequest: () => undefined,
    invalidateCompletion: () => undefined,
    untranslatedRequest: (_rid, _pasid, _hi, lo, _access, out) => {
      out.frame = lo >>> 12
      out.stalled = present.has(lo >>> 12) ? 0 : ++transactions
      return out.stalled === 0
    },
  }
  const config = dmaEngineConfig({ ats: undefined, pri: undefined, retriesMax, transfersInFlightMax: 2 })
  const engine = new DmaEngine(world, { name: 'dma0', rid: 1, agent, memory, config })
  const run = (): void => void world.scheduler.runUntilIdle()
  const fill = (page: number): Transfer => {
    const destination = BigInt(page) << 12n
    const transfer = createTransfer({ op: 'fill', pasid: NO_PASID, destination, lengthBytes: 8, value: 7 })
    engine.submit(transfer)
    run()
    return transfer
  }
  return { engine, memory, present, fill, run }
}

test('a transaction that waits is one page request; a retry that finds the page ends it', () => {
  const { engine, memory, present, fill, run } = bench()
  const transfer = fill(5)
  expect([transfer.status, engine.outstandingRequests]).toEqual(['running', 1])
  present.add(5)
  engine.transactionResumed(1, STALL_RETRY)
  run()
  expect([transfer.status, memory.bytes[5 * 4096], engine.outstandingRequests]).toEqual(['done', 7, 0])
  expect([transfer.faultsTaken, transfer.retries]).toEqual([1, 1])
  const { pageRequests, groups, success } = engine.counters
  expect([pageRequests, groups, success]).toEqual([1, 1, 1])
})

test('a retry may stall again, as often as the engine bears it; an abort ends the transfer', () => {
  const { engine, fill, run } = bench(1)
  const patient = fill(5)
  engine.transactionResumed(1, STALL_RETRY)
  run()
  expect([patient.status, patient.faultsTaken]).toEqual(['running', 2])
  engine.transactionResumed(2, STALL_RETRY)
  run()
  expect([patient.status, patient.faultsTaken]).toEqual(['retries', 2])
  const aborted = fill(6)
  engine.transactionResumed(3, STALL_ABORT)
  run()
  expect([aborted.status, engine.counters.invalid]).toEqual(['invalid', 1])
})

test('the end of an aborted transfer’s transaction changes nothing; those of a removed engine are dropped', () => {
  const { engine, fill, run } = bench()
  const aborted = fill(5)
  engine.abort(aborted)
  const other = fill(6)
  expect(engine.outstandingRequests).toBe(2)
  engine.transactionResumed(1, STALL_ABORT)
  run()
  expect([aborted.status, other.status, engine.counters.lateResponses]).toEqual(['aborted', 'running', 1])
  engine.remove()
  engine.transactionResumed(2, STALL_RETRY)
  run()
  expect([other.status, engine.outstandingRequests, engine.counters.groupsDropped]).toEqual(['aborted', 0, 1])
})
