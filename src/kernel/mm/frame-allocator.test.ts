// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { Failpoints } from '../../sim/failpoint.ts'
import { FrameAllocator } from './frame-allocator.ts'

function make(frames = 16): FrameAllocator {
  const memory = new PhysicalMemory({ bytes: frames * 4096, wasm: false })
  return new FrameAllocator({ memory, failpoints: new Failpoints() })
}

describe('frame allocator', () => {
  test('hands out every frame but 0 once, then ENOMEM', () => {
    const frames = make()
    const got = Array.from({ length: 15 }, () => frames.alloc())
    expect([...got].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    expect([frames.inUse, frames.freeFrames]).toEqual([15, 0])
    expect(() => frames.alloc()).toThrow(expect.objectContaining(ENOMEM))
    frames.put(got[3]!)
    expect(frames.alloc()).toBe(got[3])
  })

  test('zeroes when asked', () => {
    const frames = make()
    const first = frames.alloc()
    frames.memory.fill(first, 0, 4096, 0xff)
    frames.put(first)
    expect(frames.allocZeroed()).toBe(first)
    expect(frames.memory.load32(first, 4092)).toBe(0)
  })

  test('takes a frame back with its last reference', () => {
    const frames = make()
    const frame = frames.alloc()
    frames.get(frame)
    frames.put(frame)
    expect([frames.inUse, frames.references(frame)]).toEqual([1, 1])
    frames.put(frame)
    expect(frames.inUse).toBe(0)
    expect(() => frames.put(frame)).toThrow(BrokenInvariant)
    expect(() => frames.get(frame)).toThrow(BrokenInvariant)
  })

  test('keeps a pinned frame after every other reference has gone', () => {
    const frames = make()
    const frame = frames.alloc()
    frames.pin(frame)
    frames.pin(frame)
    frames.put(frame)
    expect([frames.inUse, frames.pins(frame), frames.owners(frame), frames.pinned]).toEqual([1, 2, 0, 2])
    frames.unpin(frame, true)
    expect(frames.isDirty(frame)).toBe(true)
    frames.unpin(frame, false)
    expect([frames.inUse, frames.pinned]).toEqual([0, 0])
    expect(() => frames.unpin(frame, false)).toThrow(BrokenInvariant)
  })

  test('never lets a pin stand without its reference', () => {
    const frames = make()
    const frame = frames.alloc()
    frames.pin(frame)
    frames.put(frame)
    expect(() => frames.put(frame)).toThrow(BrokenInvariant)
  })

  test('a new owner finds the frame clean', () => {
    const frames = make()
    const frame = frames.alloc()
    frames.markDirty(frame)
    frames.put(frame)
    expect(frames.isDirty(frames.alloc())).toBe(false)
  })

  test('gives aligned zeroed runs and the frames that alignment skipped', () => {
    const frames = make()
    expect(frames.alloc()).toBe(1)
    frames.memory.fill(4, 0, 16384, 0xee)
    const run = frames.allocContiguous(4)
    expect(run).toBe(4)
    for (let frame = run; frame < run + 4; frame++) {
      expect([frames.references(frame), frames.memory.load32(frame, 0)]).toEqual([1, 0])
    }
    expect([frames.alloc(), frames.alloc()].sort((a, b) => a - b)).toEqual([2, 3])
    frames.freeContiguous(run, 4)
    expect(frames.inUse).toBe(3)
  })

  test('finds runs among frames that came back', () => {
    const frames = make()
    const all = Array.from({ length: 15 }, () => frames.alloc())
    for (const frame of all) if (frame >= 8) frames.put(frame)
    frames.put(2)
    expect(() => frames.allocContiguous(16)).toThrow(expect.objectContaining(ENOMEM))
    expect(frames.allocContiguous(8)).toBe(8)
    expect(frames.alloc()).toBe(2)
    expect(() => frames.alloc()).toThrow(expect.objectContaining(ENOMEM))
  })

  test('fails at its failpoint', () => {
    const frames = make()
    const failpoints = new Failpoints()
    const failing = new FrameAllocator({ memory: frames.memory, failpoints })
    failpoints.failNth(2, 'alloc_page')
    failing.alloc()
    expect(() => failing.alloc()).toThrow(expect.objectContaining(ENOMEM))
    expect(failing.inUse).toBe(1)
    failing.allocContiguous(2)
  })

  test('keeps to its range', () => {
    const memory = new PhysicalMemory({ bytes: 16 * 4096, wasm: false })
    const frames = new FrameAllocator({ memory, failpoints: new Failpoints(), firstFrame: 5, endFrame: 8 })
    expect([frames.alloc(), frames.alloc(), frames.alloc()].sort((a, b) => a - b)).toEqual([5, 6, 7])
    expect(() => frames.alloc()).toThrow(expect.objectContaining(ENOMEM))
  })
})
