// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EADDRINUSE, EINVAL, ENOMEM, ERANGE } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../pci/messages.ts'
import { faults, permissions, usage } from './conformance-access.suite.ts'
import { type Check, LeafLog, Rig, RW } from './conformance-rig.suite.ts'
import { checkRandomSequences } from './conformance-model.suite.ts'
import type { PageTableFormat } from './format.ts'
import { WALK_NOT_PRESENT, WALK_OK, WALK_RESERVED_BITS } from './walker.ts'

/** A test that a format cannot pass, by its name, and the fact that makes it so. */
export interface Skip {
  readonly name: string
  readonly reason: string
}

/** What every format must do; expectations follow from the format's own facts, counted by hand in each test. */
export function pageTableConformance(format: PageTableFormat, skip: readonly Skip[]): void {
  const names: string[] = []
  const check: Check = (name, run) => {
    names.push(name)
    if (!skip.some((entry) => entry.name === name)) test(name, () => run(new Rig(format)))
  }
  describe(`page table ${format.name}`, () => {
    mapping(check)
    occupancy(check)
    reach(check)
    largePages(check)
    permissions(check)
    usage(check)
    faults(check)
    failures(check)
    check('agrees with a naive model over random sequences', () => checkRandomSequences(format))
    for (const { name, reason } of skip) {
      test(`is not asked "${name}": ${reason}`, () => expect(names).toContain(name))
    }
  })
}

function mapping(check: Check): void {
  check('finds a mapped page and nothing beside it', (rig) => {
    rig.map(rig.base, 77, 1, RW)
    expect(rig.walk(rig.base + 5n)).toBe(WALK_OK)
    expect(rig.physical(rig.base + 5n)).toBe(77n * 4096n + 5n)
    expect(rig.walk(rig.base + 4095n)).toBe(WALK_OK)
    expect(rig.physical(rig.base + 4095n)).toBe(77n * 4096n + 4095n)
    expect(rig.walk(rig.base + 4096n)).toBe(WALK_NOT_PRESENT)
    expect(rig.walk(rig.base - 1n)).toBe(WALK_NOT_PRESENT)
  })

  check('maps the highest frame that an address can name', (rig) => {
    rig.map(rig.base, 2 ** 31 - 1, 1, RW)
    expect(rig.walk(rig.base)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(2 ** 31 - 1)
    expect(() => rig.map(rig.base + 4096n, 2 ** 31, 1, RW)).toThrow(expect.objectContaining(ERANGE))
    expect(() => rig.map(rig.base + 4096n, 2 ** 31 - 1, 2, RW)).toThrow(expect.objectContaining(ERANGE))
  })

  check('unmaps what is mapped and counts it', (rig) => {
    rig.map(rig.base, 10, 3, RW)
    expect(rig.unmap(rig.base - 4096n, 3)).toBe(2)
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    expect(rig.walk(rig.base + 8192n)).toBe(WALK_OK)
    expect(rig.unmap(rig.base + 8192n, 1)).toBe(1)
    expect(rig.unmap(rig.base + 8192n, 1)).toBe(0)
  })

  check('uses the lowest and the highest address', (rig) => {
    const { virtualBits, signExtended } = rig.format
    const top = signExtended ? 1n << 64n : 1n << BigInt(virtualBits)
    rig.map(0n, 1, 1, RW)
    rig.map(top - 4096n, 2, 1, RW)
    expect(rig.walk(0n)).toBe(WALK_OK)
    expect(rig.walk(top - 1n)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(2)
    expect(rig.unmap(top - 4096n, 1)).toBe(1)
    expect(() => rig.map(top - 4096n, 2, 2, RW)).toThrow(expect.objectContaining(ERANGE))
  })

  check('refuses addresses that are unaligned, outside, or run outside', (rig) => {
    const end = 1n << BigInt(rig.format.virtualBits - (rig.format.signExtended ? 1 : 0))
    expect(() => rig.map(rig.base + 1n, 1, 1, RW)).toThrow(expect.objectContaining(EINVAL))
    expect(() => rig.map(rig.base, 1, 0, RW)).toThrow(expect.objectContaining(EINVAL))
    expect(() => rig.map(end, 1, 1, RW)).toThrow(expect.objectContaining(ERANGE))
    expect(() => rig.map(end - 4096n, 1, 2, RW)).toThrow(expect.objectContaining(ERANGE))
    expect(() => rig.unmap(end - 4096n, 2)).toThrow(expect.objectContaining(ERANGE))
    expect(rig.frames.inUse).toBe(1)
  })
}

function occupancy(check: Check): void {
  check('refuses an occupied place and changes nothing', (rig) => {
    rig.map(rig.base + 3n * 4096n, 50, 1, RW)
    const tables = rig.table.tables
    expect(() => rig.map(rig.base, 10, 8, RW)).toThrow(expect.objectContaining(EADDRINUSE))
    for (const page of [0n, 1n, 2n, 4n]) expect(rig.walk(rig.base + page * 4096n)).toBe(WALK_NOT_PRESENT)
    expect(rig.walk(rig.base + 3n * 4096n)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(50)
    expect(rig.table.tables).toBe(tables)
    expect(() => rig.map(rig.base + 3n * 4096n, 9, 1, RW)).toThrow(expect.objectContaining(EADDRINUSE))
  })

  check('frees tables that lie wholly inside an unmapped range', (rig) => {
    rig.map(rig.base, 10, rig.pages(1) * 2, RW, rig.format.granuleShift)
    expect(rig.table.tables).toBe(rig.format.levels + 1)
    expect(rig.unmap(rig.base, rig.pages(1))).toBe(rig.pages(1))
    expect(rig.table.tables).toBe(rig.format.levels)
    expect(rig.walk(rig.base + rig.size(1))).toBe(WALK_OK)
    rig.map(rig.base, 900, 1, RW)
    expect(rig.walk(rig.base)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(900)
  })

  check('maps anew where the table used last has gone', (rig) => {
    for (const forget of [(): number => rig.unmap(rig.base, rig.pages(1)), (): void => rig.table.clear()]) {
      rig.map(rig.base, 5, 1, RW)
      rig.map(rig.base + 4096n, 7, 1, RW)
      forget()
      expect(rig.unmap(rig.base, 1)).toBe(0)
      rig.map(rig.base, 6, 1, RW)
      expect(rig.walk(rig.base)).toBe(WALK_OK)
      expect(rig.out.frame).toBe(6)
      rig.unmap(rig.base, 1)
    }
  })
}

function reach(check: Check): void {
  check('maps and unmaps single granules', (rig) => {
    const granule = rig.size(0)
    const at = rig.base + granule
    rig.table.mapGranules(hiOf(at), loOf(at), 1234567, 1, RW)
    expect(rig.walk(at + 9n)).toBe(WALK_OK)
    expect(rig.physical(at + 9n)).toBe(1234567n * granule + 9n)
    expect(rig.out.shift).toBe(rig.format.granuleShift)
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    expect(rig.table.unmapGranules(hiOf(at), loOf(at), 1)).toBe(1)
    expect(rig.walk(at)).toBe(WALK_NOT_PRESENT)
  })

  check('tells a sink what it unmaps', (rig) => {
    const log = new LeafLog()
    rig.map(rig.base, 512, rig.pages(1), ACCESS_READ)
    rig.unmap(rig.base, rig.pages(1), log)
    const shift = rig.format.granuleShift + 9
    expect(log.leaves).toMatchObject([{ address: rig.base, shift, frame: 512 }])
  })

  check('gives every table back', (rig) => {
    rig.map(rig.base, 10, rig.pages(1) + 1, RW, rig.format.granuleShift)
    rig.table.clear()
    expect(rig.frames.inUse).toBe(1)
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    rig.table.destroy()
    expect(rig.frames.inUse).toBe(0)
    expect(rig.table.tables).toBe(0)
  })
}

function largePages(check: Check): void {
  check('takes the largest page that address, frame and length allow', (rig) => {
    for (let level = 1; level <= rig.format.leafLevelMax; level++) {
      const pages = rig.pages(level)
      const at = rig.base + BigInt(level) * 4n * rig.size(rig.format.leafLevelMax)
      rig.map(at, pages * 3, pages, RW)
      expect(rig.walk(at + rig.size(level) - 3n)).toBe(WALK_OK)
      expect(rig.out.shift).toBe(rig.format.granuleShift + 9 * level)
      expect(rig.physical(at + rig.size(level) - 3n)).toBe(rig.size(level) * 4n - 3n)
    }
  })

  check('takes small pages when the frame or the address is not aligned, or by order', (rig) => {
    const pages = rig.pages(1)
    rig.map(rig.base, 1, pages, RW)
    rig.map(rig.base + rig.size(1) + 4096n, pages, pages, RW)
    rig.map(rig.base + 4n * rig.size(1), pages, pages, RW, 12)
    for (const at of [0n, rig.size(1) + 4096n, 4n * rig.size(1)]) {
      expect(rig.walk(rig.base + at)).toBe(WALK_OK)
      expect(rig.out.shift).toBe(rig.format.granuleShift)
    }
  })

  check('refuses to map into or over a large page', (rig) => {
    rig.map(rig.base, 0, rig.pages(1), RW)
    expect(() => rig.map(rig.base + 4096n, 5, 1, RW)).toThrow(expect.objectContaining(EADDRINUSE))
    expect(() => rig.map(rig.base, 0, rig.pages(1), RW)).toThrow(expect.objectContaining(EADDRINUSE))
    expect(() => rig.map(rig.base - rig.size(1), 0, rig.pages(1) * 2, RW)).toThrow(
      expect.objectContaining(EADDRINUSE),
    )
    expect(rig.walk(rig.base - 1n)).toBe(WALK_NOT_PRESENT)
  })

  check('splits a large page when a part of it goes', (rig) => {
    const level = rig.format.leafLevelMax
    rig.map(rig.base, 0, rig.pages(level), RW)
    rig.walk(rig.base, ACCESS_WRITE)
    const hole = rig.base + rig.size(level) / 2n + 4096n
    expect(rig.unmap(hole, 1)).toBe(1)
    expect(rig.walk(hole)).toBe(WALK_NOT_PRESENT)
    for (const at of [rig.base, hole - 1n, hole + 4096n, rig.base + rig.size(level) - 1n]) {
      expect(rig.walk(at, RW)).toBe(WALK_OK)
      expect(rig.physical(at)).toBe(at - rig.base)
    }
  })

  check('unmaps nothing when there is no memory to split', (rig) => {
    const level = rig.format.leafLevelMax
    rig.map(rig.base, 0, rig.pages(level), RW)
    for (let failAfter = 0; failAfter < level; failAfter++) {
      rig.frames.failAfter = failAfter
      expect(() => rig.unmap(rig.base + 4096n, 1)).toThrow(expect.objectContaining(ENOMEM))
      rig.frames.failAfter = -1
      expect(rig.walk(rig.base + 4096n)).toBe(WALK_OK)
      expect(rig.physical(rig.base + 4096n)).toBe(4096n)
    }
  })

  check('refuses a large page at a level that has none', (rig) => {
    rig.map(rig.base, 0, 1, RW)
    const word = rig.word(rig.base, rig.format.levels - 1)
    const { words } = rig.memory
    words[word] = (words[word]! & ~rig.format.leafMaskLo) | rig.format.leafValueLo
    expect(rig.walk(rig.base)).toBe(WALK_RESERVED_BITS)
    expect(rig.walker.failedLevel).toBe(rig.format.levels - 1)
  })
}

function failures(check: Check): void {
  check('undoes a map whose n-th table cannot be had, for every n', (rig) => {
    const { base, frames, table } = rig
    const pages = rig.pages(2)
    rig.map(base - 4096n, 3, 1, RW)
    const before = frames.inUse
    for (let failAfter = 0; failAfter < 40; failAfter++) {
      frames.failAfter = failAfter
      const start = base + rig.size(2) - 4096n * 9n
      const length = Number(rig.size(1) / 4096n) * 20
      expect(() => rig.map(start, 1, length + pages, RW, 12)).toThrow(expect.objectContaining(ENOMEM))
      frames.failAfter = -1
      expect(frames.inUse).toBe(before)
      expect(table.tables).toBe(before)
      expect(rig.walk(start)).toBe(WALK_NOT_PRESENT)
      expect(rig.walk(base - 4096n)).toBe(WALK_OK)
    }
  })
}
