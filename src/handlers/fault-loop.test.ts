// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { AsyncFaultLoop } from './async-fault-loop.ts'
import { FaultLoop, type FaultLoopOptions, type LoopCounts } from './fault-loop.ts'
import type { Misbehaviour } from './misbehaviour.ts'
import { Rig, type RigOptions } from './rig.suite.ts'

interface Handled {
  readonly rig: Rig
  readonly counts: LoopCounts
  readonly status: string
  readonly nanos: number
}

type Style = 'sync' | 'async'

function optionsFor(rig: Rig, parts: Partial<FaultLoopOptions>): FaultLoopOptions {
  const route = { pagerFor: (id: number) => (id === rig.device.id ? rig.pager : undefined) }
  return { queue: rig.queue, route, batchRecords: 8, inFlightMax: 8, ...parts }
}

/** Copies with a handler of that style until nothing moves any more. */
async function handle(
  style: Style,
  rigOptions: RigOptions,
  parts: Partial<FaultLoopOptions>,
): Promise<Handled> {
  const rig = new Rig(rigOptions)
  const options = optionsFor(rig, { onDeath: () => rig.program.exit(), ...parts })
  const { scheduler, clock } = rig.machine.world
  const loop =
    style === 'sync'
      ? new FaultLoop(rig.machine.world, options)
      : new AsyncFaultLoop(rig.machine.world, options)
  if (loop instanceof FaultLoop) loop.start()
  else scheduler.spawn('handler', () => loop.run())
  const transfer = rig.copy()
  await scheduler.run(async () => {
    await scheduler.sleep(1)
    while (clock.armedCount > 0) await scheduler.sleep(1000)
  })
  return { rig, counts: loop.counts, status: transfer.status, nanos: clock.now }
}

function wrong(kind: Misbehaviour['kind'], after = 2): Partial<FaultLoopOptions> {
  return { misbehaviour: { kind, after, delayNanos: 5000 } }
}

describe.each(['sync', 'async'] as const)('a %s fault loop', (style) => {
  it('repairs and answers every group', async () => {
    const { rig, counts, status } = await handle(style, { pages: 8 }, {})
    expect(status).toBe('done')
    expect(counts).toEqual({ groups: 16, success: 16, invalid: 0, refused: 0 })
    rig.resident.clear()
    expect(rig.destination).toEqual(rig.source)
  })

  it('answers a group of several requests once', async () => {
    const { rig, counts, status } = await handle(style, { pages: 8, groupPages: 4 }, {})
    expect(status).toBe('done')
    expect(counts.groups).toBe(rig.counters.groups)
    expect(counts.groups).toBeLessThan(16)
  })

  it('reads a group that is larger than its batch', async () => {
    const { status } = await handle(style, { pages: 8, groupPages: 8 }, { batchRecords: 1 })
    expect(status).toBe('done')
  })

  it('answers INVALID where it has no pager', async () => {
    const { counts, status } = await handle(style, {}, { route: { pagerFor: () => undefined } })
    expect(status).toBe('invalid')
    expect(counts).toEqual({ groups: 1, success: 0, invalid: 1, refused: 0 })
  })

  it('lets its work take virtual time', async () => {
    const costs = { pageInNanos: 1000, pageOutNanos: 0, mapNanos: 0, unmapNanos: 0 }
    const { nanos, status } = await handle(style, { pages: 2, costs }, {})
    expect(status).toBe('done')
    expect(nanos).toBeGreaterThanOrEqual(4000)
  })

  it('is late when it is slow', async () => {
    const quick = await handle(style, { pages: 4 }, {})
    const slow = await handle(style, { pages: 4 }, wrong('slow', 0))
    expect(slow.status).toBe('done')
    expect(slow.nanos).toBeGreaterThan(quick.nanos + 8 * 4000)
  })

  it.each(['never-answers', 'wrong-cookie', 'invalid-code'] as const)(
    '%s: the group stays unanswered',
    async (kind) => {
      const { rig, status } = await handle(style, {}, wrong(kind))
      expect(status).toBe('running')
      expect(rig.counters.success).toBe(2)
      rig.device.detach()
      rig.machine.runUntilIdle()
      expect(rig.counters.invalid).toBe(1)
    },
  )

  it('dies: its process exits and the kernel answers INVALID', async () => {
    const { rig, status } = await handle(style, {}, wrong('dies-after'))
    expect(status).toBe('invalid')
    expect(rig.program.exited).toBe(true)
    expect(rig.counters.invalid).toBe(1)
  })

  it('goes on after reads and writes whose copies fault', async () => {
    const rig = new Rig()
    const { failpoints, scheduler } = rig.machine.world
    const loop = style === 'sync' ? new FaultLoop(rig.machine.world, optionsFor(rig, {})) : undefined
    const other = new AsyncFaultLoop(rig.machine.world, optionsFor(rig, {}))
    if (loop !== undefined) loop.start()
    else scheduler.spawn('handler', () => other.run())
    failpoints.failNth(2, 'copy_to_user')
    const transfer = rig.copy()
    await scheduler.run(async () => {
      while (!transfer.ended) await scheduler.sleep(1000)
    })
    expect(transfer.status).toBe('done')
    expect(failpoints.failures).toBe(1)
  })
})
