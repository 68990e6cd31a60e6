// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { hiOf, loOf } from '../base/u64.ts'
import { DESTINATION, Rig, SOURCE } from './rig.suite.ts'

const READ = 1
const WRITE = 2

function repair(rig: Rig, iova: bigint, perm: number): boolean {
  return rig.pager.repair(hiOf(iova), loOf(iova), perm)
}

describe('Pager', () => {
  it('maps the page with the bytes of its source', () => {
    const rig = new Rig()
    expect(repair(rig, SOURCE + 3n * 4096n + 17n, READ)).toBe(true)
    expect(rig.pager.pagesIn).toBe(1)
    const slotPage = Number(rig.window / 4096n)
    const frame = rig.program.mm.frameForRead(slotPage)
    const bytes = rig.machine.memory.bytes.slice(frame * 4096, frame * 4096 + 4096)
    expect(bytes).toEqual(rig.source.slice(3 * 4096, 4 * 4096))
  })

  it('refuses an address that no region has, and a write to what is read-only', () => {
    const rig = new Rig({ pages: 2 })
    expect(repair(rig, SOURCE - 1n, READ)).toBe(false)
    expect(repair(rig, SOURCE + 2n * 4096n, READ)).toBe(false)
    expect(repair(rig, SOURCE, WRITE)).toBe(false)
    expect(rig.resident.resident).toBe(0)
  })

  it('does nothing for a page that is there, and maps it anew for a write', () => {
    const rig = new Rig()
    expect(repair(rig, DESTINATION, READ)).toBe(true)
    expect(repair(rig, DESTINATION, READ)).toBe(true)
    expect(rig.pager.pagesIn).toBe(1)
    expect(repair(rig, DESTINATION, WRITE)).toBe(true)
    expect(rig.pager.pagesIn).toBe(1)
    expect(rig.resident.resident).toBe(1)
  })

  it('brings in the pages that follow, up to the end of the region', () => {
    const rig = new Rig({ pages: 4, faultAround: 2 })
    repair(rig, SOURCE, READ)
    expect(rig.pager.pagesIn).toBe(3)
    repair(rig, SOURCE + 3n * 4096n, READ)
    expect(rig.pager.pagesIn).toBe(4)
  })

  it('writes back what devices could write, and nothing else, when it evicts', () => {
    const rig = new Rig({ slots: 2 })
    repair(rig, SOURCE, READ)
    repair(rig, DESTINATION, WRITE)
    repair(rig, SOURCE + 4096n, READ)
    expect([rig.resident.evictions, rig.pager.pagesOut]).toEqual([1, 0])
    repair(rig, SOURCE + 8192n, READ)
    expect([rig.resident.evictions, rig.pager.pagesOut]).toEqual([2, 1])
  })

  it('counts the virtual time of its work', () => {
    const costs = { pageInNanos: 100, pageOutNanos: 30, mapNanos: 5, unmapNanos: 2 }
    const rig = new Rig({ slots: 1, costs })
    repair(rig, DESTINATION, WRITE)
    expect(rig.pager.spentNanos).toBe(105)
    rig.pager.spentNanos = 0
    repair(rig, SOURCE, READ)
    expect(rig.pager.spentNanos).toBe(2 + 30 + 105)
  })

  it('says no when memory is short, and gives the slot back', () => {
    const rig = new Rig()
    rig.machine.world.failpoints.failNth(1, 'alloc_page')
    expect(repair(rig, SOURCE, READ)).toBe(false)
    expect(rig.resident.resident).toBe(0)
    rig.machine.world.failpoints.off()
    expect(repair(rig, SOURCE, READ)).toBe(true)
  })

  it('tries again when only the mapping of a resident page had failed', () => {
    const rig = new Rig()
    repair(rig, DESTINATION, READ)
    rig.machine.world.failpoints.failNth(1, 'alloc_area')
    expect(repair(rig, DESTINATION, WRITE)).toBe(false)
    rig.machine.world.failpoints.off()
    expect(repair(rig, DESTINATION, WRITE)).toBe(true)
    expect(rig.pager.pagesIn).toBe(1)
  })
})

describe('a resident set that is too small for a copy', () => {
  it('ends the transfer instead of bringing the same two pages in for ever', () => {
    const rig = new Rig({ pages: 2, slots: 1 })
    const record = new Uint8Array(40)
    const words = new Int32Array(record.buffer)
    rig.queue.onReadable(() => {
      while (rig.queue.read(record) > 0) {
        const ok = rig.pager.repair(words[7]!, words[6]!, words[4]!)
        rig.queue.write(new Uint8Array(Int32Array.of(words[9]!, ok ? 0 : 1).buffer))
      }
    })
    const transfer = rig.copy()
    rig.machine.runUntilIdle()
    expect(transfer.status).toBe('retries')
  })
})
