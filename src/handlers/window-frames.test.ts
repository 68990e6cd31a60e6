// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { EFAULT } from '../base/errno.ts'
import { hiOf, loOf, PAGE_BYTES, pageOf } from '../base/u64.ts'
import { PhysicalMemory } from '../hardware/memory.ts'
import { FrameAllocator } from '../kernel/mm/frame-allocator.ts'
import { Mm } from '../kernel/mm/mm.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import { createWorld } from '../trace/world.ts'
import { WindowFrames } from './window-frames.ts'

const PAGES = 4

function setUp(): { mm: Mm; window: bigint; first: number; frames: WindowFrames } {
  const { failpoints } = createWorld()
  const memory = new PhysicalMemory({ bytes: 4 * 2 ** 20 })
  const mm = new Mm({ memory, frames: new FrameAllocator({ memory, failpoints }), failpoints })
  const window = mm.mmap({ lengthBytes: PAGES * PAGE_BYTES, prot: PROT_READ | PROT_WRITE })
  const first = pageOf(hiOf(window), loOf(window))
  return { mm, window, first, frames: new WindowFrames(mm, first, PAGES) }
}

/** First byte of the window as the process sees it. */
function byteSeen(mm: Mm, window: bigint): number {
  const byte = new Uint8Array(1)
  mm.read(window, byte)
  return byte[0]!
}

describe('WindowFrames', () => {
  it('makes a page present and says the same frame as the page table, again and again', () => {
    const { mm, first, frames } = setUp()
    const frame = frames.at(2)
    expect([frames.at(2), mm.frameForRead(first + 2)]).toEqual([frame, frame])
  })

  it('forgets pages that the process drops', () => {
    const { mm, window, first, frames } = setUp()
    const kept = frames.at(0)
    const others = [frames.at(1), frames.at(2)]
    mm.discard(window + 4096n, 2 * PAGE_BYTES)
    const taken = mm.frames.alloc()
    expect(others).toContain(taken)
    expect([frames.at(0), frames.at(1), frames.at(2)]).toEqual([
      kept,
      mm.frameForWrite(first + 1),
      mm.frameForWrite(first + 2),
    ])
    expect([frames.at(1), frames.at(2)]).not.toContain(taken)
  })

  it('refuses pages that the process has unmapped or protected', () => {
    const { mm, window, frames } = setUp()
    for (let index = 0; index < PAGES; index++) frames.at(index)
    mm.munmap(window, PAGE_BYTES)
    mm.mprotect(window + 4096n, PAGE_BYTES, PROT_READ)
    expect(() => frames.at(0)).toThrow(EFAULT)
    expect(() => frames.at(1)).toThrow(EFAULT)
    expect(frames.at(2)).toBe(mm.frameForRead(Number(window / 4096n) + 2))
  })

  it('follows a page that is copied on write after a fork: the child keeps its bytes', () => {
    const { mm, window, frames } = setUp()
    mm.write(window, Uint8Array.of(7))
    const before = frames.at(0)
    const child = mm.fork()
    const after = frames.at(0)
    mm.memory.bytes[after * PAGE_BYTES] = 9
    expect(after).not.toBe(before)
    expect([byteSeen(mm, window), byteSeen(child, window)]).toEqual([9, 7])
    child.exit()
  })

  it('knows nothing any more when the process has ended', () => {
    const { mm, frames } = setUp()
    frames.at(0)
    mm.exit()
    expect(() => frames.at(0)).toThrow(EFAULT)
  })
})
