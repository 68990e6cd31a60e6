// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RequestRecord, RID } from '../../iommus/simple/scripted-driver.suite.ts'
import { PRI_ENABLE } from '../../pci/config-layout.ts'
import { PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE, PRG_SUCCESS } from '../../pci/messages.ts'
import { seededDecisions } from '../../../sim/decisions.ts'
import { EngineRig } from './engine-rig.suite.ts'
import type { Transfer } from './transfer.ts'

type Step =
  | { readonly kind: 'submit'; readonly page: number; readonly length: number; readonly pasid: number }
  | { readonly kind: 'answer'; readonly index: number; readonly code: number }
  | { readonly kind: 'abort'; readonly index: number }
  | { readonly kind: 'stopPasid'; readonly pasid: number }
  | { readonly kind: 'unmap'; readonly page: number }
  | { readonly kind: 'run'; readonly steps: number }
  | { readonly kind: 'spurious'; readonly grpid: number }
  | { readonly kind: 'toggle' }

const PASIDS = [-1, 5]
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('submit' as const),
      page: fc.integer({ min: 0, max: 40 }),
      length: fc.integer({ min: 0, max: 30_000 }),
      pasid: fc.constantFrom(...PASIDS),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      index: fc.nat(100),
      code: fc.constantFrom(PRG_SUCCESS, PRG_SUCCESS, PRG_SUCCESS, PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort' as const), index: fc.nat(100) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('stopPasid' as const), pasid: fc.constantFrom(...PASIDS) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('unmap' as const), page: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('run' as const), steps: fc.integer({ min: 1, max: 20 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('spurious' as const), grpid: fc.nat(511) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('toggle' as const) }) },
)

/** Plays the steps against an engine and a unit with small queues; checks after each. */
class Play {
  readonly rig: EngineRig
  readonly transfers: Transfer[] = []
  readonly ends = new Map<Transfer, number>()
  readonly unanswered: RequestRecord[] = []

  constructor(seed: number, requestEntries: number, allocation: number, groupPages: number) {
    this.rig = new EngineRig({
      frames: 16_384,
      requestEntries,
      allocation,
      engine: { groupPages, transfersInFlightMax: 4, pri: { capacity: 32, responsePasidRequired: true } },
      world: { decisions: seededDecisions(seed) },
    })
    this.rig.answer = (group) => {
      this.unanswered.push(group.at(-1)!)
      return undefined
    }
  }

  play(action: Step): void {
    const { rig } = this
    switch (action.kind) {
      case 'submit':
        this.#submit(action)
        break
      case 'answer':
        this.#answer(action.index, action.code)
        break
      case 'abort':
        if (this.transfers.length > 0) rig.engine.abort(this.transfers[action.index % this.transfers.length]!)
        break
      case 'stopPasid':
        rig.engine.stopPasid(action.pasid)
        break
      case 'unmap':
        rig.unmapPage(0, action.page << 12)
        break
      case 'run':
        for (let i = 0; i < action.steps; i++) rig.driver.world.scheduler.step()
        break
      case 'spurious':
        if (!rig.engine.pri.isOutstanding(action.grpid)) rig.driver.respond(RID, 5, action.grpid, PRG_SUCCESS)
        break
      case 'toggle':
        rig.priControl(0)
        if (rig.engine.pri.stopped) rig.priControl(PRI_ENABLE)
        break
    }
    this.check()
  }

  /** The rest is answered Success with its pages mapped, until nothing is left. */
  finish(): void {
    const { rig } = this
    rig.settle()
    for (let round = 0; this.unanswered.length > 0; round++) {
      expect(round).toBeLessThan(10_000)
      this.#answer(0, PRG_SUCCESS)
      rig.settle()
    }
    this.check()
  }

  check(): void {
    const { pri } = this.rig.engine
    let requests = 0
    let groups = 0
    for (let grpid = 0; grpid < 512; grpid++) {
      if (!pri.isOutstanding(grpid)) continue
      groups++
      requests += pri.requestsOf(grpid)
    }
    expect(pri.outstandingRequests).toBe(requests)
    expect(pri.outstandingGroups).toBe(groups)
    expect(requests).toBeLessThanOrEqual(pri.allocation)
    if (pri.enabled) expect(pri.credits).toBe(pri.allocation - requests)
  }

  #submit({ page, length, pasid }: Extract<Step, { kind: 'submit' }>): void {
    const transfer = this.rig.submit({
      op: 'fill',
      pasid,
      destination: BigInt(page) << 12n,
      lengthBytes: length,
      onDone: (ended) => this.ends.set(ended, (this.ends.get(ended) ?? 0) + 1),
    })
    this.transfers.push(transfer)
  }

  #answer(index: number, code: number): void {
    if (this.unanswered.length === 0) return
    const [record] = this.unanswered.splice(index % this.unanswered.length, 1)
    if (code === PRG_SUCCESS) for (let page = 0; page < 50; page++) this.rig.mapPage(0, page << 12)
    this.rig.respond(record!, code)
  }
}

describe('credits are conserved', () => {
  test('over random submissions, answers, aborts, stops, invalidations and PRI switched off and on', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.nat(),
        fc.constantFrom(2, 3, 8, 64),
        fc.constantFrom(1, 2, 7, 32),
        fc.constantFrom(1, 3, 8),
        (steps, seed, requestEntries, allocation, groupPages) => {
          const play = new Play(seed, requestEntries, allocation, groupPages)
          for (const action of steps) play.play(action)
          play.finish()
          const { engine, driver } = play.rig
          expect(play.transfers.every(({ ended }) => ended)).toBe(true)
          expect([...play.ends.values()].every((count) => count === 1)).toBe(true)
          expect(play.ends.size).toBe(play.transfers.length)
          expect(engine.idle).toBe(true)
          expect(engine.outstandingRequests).toBe(0)
          expect(engine.pri.outstandingGroups).toBe(0)
          expect(driver.world.clock.armedCount).toBe(0)
        },
      ),
      { numRuns: 150 },
    )
  })
})
