// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import type { AccessObject } from '../access/access.ts'
import { IoasRig, PAGE, codeOf } from './ioas-rig.suite.ts'

const FIRST = 0x100000

let rig: IoasRig
let ioas: number
let memory: bigint
/** Pages that `access` has pinned, one pin each, by I/O address. */
let pinned: Set<number>
let access: AccessObject
let calls: number[][]

beforeEach(() => {
  rig = new IoasRig()
  ioas = rig.ioas()
  memory = rig.anonymous(1)
  pinned = new Set()
  calls = []
  access = rig.access(ioas, { unmap: giveUp })
})

function giveUp(hi: number, lo: number, lengthHi: number, lengthLo: number): void {
  calls.push([hi, lo, lengthHi, lengthLo])
  for (const iova of pinned) if (iova >= lo && iova < lo + lengthLo) unpin(iova)
}

function pin(iova: number): string {
  return codeOf(() => {
    access.pinPages(0, iova, 0, 4096, 0, new Int32Array(1))
    pinned.add(iova)
  })
}

function unpin(iova: number): void {
  access.unpinPages(0, iova, 0, 4096)
  pinned.delete(iova)
}

/** Areas of a page side by side, each pinned. */
function mapPinned(count: number): bigint {
  for (let i = 0; i < count; i++) {
    rig.map({ ioas, at: memory, iova: BigInt(FIRST + i * 4096) })
    pin(FIRST + i * 4096)
  }
  return BigInt(count) * PAGE
}

describe('UNMAP with pins of accesses (spec/02 §3.5)', () => {
  test('asks for each area, with its own range', () => {
    const bytes = mapPinned(2)
    expect(rig.unmap(ioas, BigInt(FIRST), bytes)).toBe(bytes)
    expect(calls).toEqual([
      [0, FIRST, 0, 4096],
      [0, FIRST + 4096, 0, 4096],
    ])
    expect(rig.frames.pinned).toBe(0)
  })

  test('asks every access by its place, not only who pins', () => {
    const order: string[] = []
    rig.access(ioas, { unmap: () => order.push('second') })
    const third = rig.access(ioas, { unmap: () => order.push('third') })
    access.detach()
    calls = []
    rig.access(ioas, { unmap: () => order.push('new first') })
    rig.map({ ioas, at: memory, iova: BigInt(FIRST) })
    third.pinPages(0, FIRST, 0, 4096, 0, new Int32Array(1))
    expect(codeOf(() => rig.unmapAll(ioas))).toBe('EDEADLK')
    expect(order.slice(0, 3)).toEqual(['new first', 'second', 'third'])
    expect(order.length).toBe(303)
  })

  test('refuses new pins of an area that it waits for, and leaves it so', () => {
    rig.map({ ioas, at: memory, iova: BigInt(FIRST) })
    const holder = rig.access(ioas)
    holder.pinPages(0, FIRST, 0, 4096, 0, new Int32Array(1))
    expect(codeOf(() => rig.unmap(ioas, BigInt(FIRST), PAGE))).toBe('EDEADLK')
    expect(pin(FIRST)).toBe('EINVAL')
    expect(codeOf(() => access.rw(0, FIRST, new Uint8Array(1), 0, rig.process))).toBe('EINVAL')
    holder.unpinPages(0, FIRST, 0, 4096)
    expect(pin(FIRST)).toBe('EINVAL')
    expect(rig.unmap(ioas, BigInt(FIRST), PAGE)).toBe(PAGE)
  })

  test.each([99, 100])('%i areas with pins go in one call', (count) => {
    const bytes = mapPinned(count)
    expect(rig.unmap(ioas, BigInt(FIRST), bytes)).toBe(bytes)
  })

  test('the 101st area with pins ends it: 100 are gone, its own pins too (observed on 7.2.13)', () => {
    mapPinned(103)
    expect(codeOf(() => rig.unmapAll(ioas))).toBe('EDEADLK')
    expect(rig.frames.pins(rig.physicalOf(memory) / 4096)).toBe(2)
    expect(pin(FIRST + 100 * 4096)).toBe('EINVAL')
    expect(pin(FIRST + 101 * 4096)).toBe('ok')
    access.unpinPages(0, FIRST + 101 * 4096, 0, 4096)
    expect(rig.unmapAll(ioas)).toBe(3n * PAGE)
  })

  test('an area that is only partly inside is refused before anybody is asked', () => {
    rig.map({ ioas, at: rig.anonymous(2), bytes: 2n * PAGE, iova: BigInt(FIRST) })
    pin(FIRST)
    expect(codeOf(() => rig.unmap(ioas, BigInt(FIRST), PAGE))).toBe('ENOENT')
    expect(calls).toEqual([])
  })
})
