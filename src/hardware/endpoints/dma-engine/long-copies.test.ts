// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { READ_WRITE } from '../../iommus/simple/scripted-driver.suite.ts'
import { EngineRig } from './engine-rig.suite.ts'

const PAGE = 4096
const SOURCE = 0x10_0000
const TARGET = 0x40_0000

/** Frames `first` … of pages at the address, in the order given, each filled with its number. */
function mapFrames(rig: EngineRig, lo: number, frames: readonly number[]): void {
  frames.forEach((frame, i) => {
    rig.table.map(0, lo + i * PAGE, frame, 1, READ_WRITE)
    rig.driver.memory.fill(frame, 0, PAGE, frame & 0xff)
  })
}

function contents(rig: EngineRig, frames: readonly number[]): number[] {
  return frames.map((frame) => {
    const bytes = rig.driver.memory.bytes.subarray(frame * PAGE, (frame + 1) * PAGE)
    expect(new Set(bytes).size).toBe(1)
    return bytes[0]!
  })
}

function count(from: number, frames: number): number[] {
  return Array.from({ length: frames }, (_, i) => from + i)
}

function copy(rig: EngineRig, pages: number): string {
  return rig.run({
    op: 'copy',
    source: BigInt(SOURCE),
    destination: BigInt(TARGET),
    lengthBytes: pages * PAGE,
  }).status
}

describe('a copy of many pages', () => {
  test.each([
    ['that follow one another in memory', count(2100, 100), count(2300, 100)],
    ['in an order of their own', count(2100, 100).toReversed(), count(2300, 100)],
    ['more than fit into the cache, longer than 512 KiB', count(2100, 300), count(2500, 300).toReversed()],
  ])('%s', (_, from, to) => {
    const rig = new EngineRig({ engine: { atcEntries: 64 } })
    mapFrames(rig, SOURCE, from)
    mapFrames(rig, TARGET, to)
    expect(copy(rig, from.length)).toBe('done')
    expect(contents(rig, to)).toEqual(from.map((frame) => frame & 0xff))
    expect(rig.engine.counters).toMatchObject({ pagesMoved: from.length, bytesMoved: from.length * PAGE })
  })

  test('onto the pages behind its own goes page by page, lowest first', () => {
    const rig = new EngineRig()
    const frames = count(2100, 9)
    mapFrames(rig, SOURCE, frames)
    rig.table.map(0, TARGET, 2101, 8, READ_WRITE)
    expect(copy(rig, 8)).toBe('done')
    expect(contents(rig, frames)).toEqual(frames.map(() => 2100 & 0xff))
  })

  test('asks once for each translation, and once more after a response', () => {
    const rig = new EngineRig()
    mapFrames(rig, SOURCE, count(2100, 10))
    mapFrames(rig, TARGET, count(2300, 6))
    expect(copy(rig, 10)).toBe('done')
    expect(rig.engine.counters).toMatchObject({ translationRequests: 24, retries: 4, pageRequests: 4 })
  })

  test('ends at a frame that does not exist, with what is before it moved', () => {
    const rig = new EngineRig()
    mapFrames(rig, SOURCE, count(2100, 5))
    mapFrames(rig, TARGET, count(2300, 3))
    rig.table.map(0, TARGET + 3 * PAGE, 1 << 20, 2, READ_WRITE)
    expect(copy(rig, 5)).toBe('bus-error')
    expect(rig.engine.counters.pagesMoved).toBe(3)
    expect(contents(rig, count(2300, 3))).toEqual(count(2100, 3).map((frame) => frame & 0xff))
  })
})
