// SPDX-License-Identifier: MIT
import {
  type Arbitrary,
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  nat,
  oneof,
  property,
  record,
} from 'fast-check'
import { expect } from 'vitest'
import { isErrno } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../pci/messages.ts'
import { Rig, RW } from './conformance-rig.suite.ts'
import type { PageTableFormat } from './format.ts'
import { WALK_NO_PERMISSION, WALK_NOT_PRESENT, WALK_OK } from './walker.ts'

type Operation =
  | { readonly kind: 'map'; page: number; pages: number; frame: number; write: boolean; small: boolean }
  | { readonly kind: 'unmap'; page: number; pages: number }
  | { readonly kind: 'protect'; page: number; pages: number; write: boolean }

/** Pages of the window in which sequences play: several tables of level 0 of any format. */
const WINDOW = 2048

const place = { page: nat(WINDOW - 1), pages: oneof(constant(1), nat(1200), constant(512)) }
const aligned = record({
  kind: constant('map' as const),
  page: nat(3).map((n) => n * 512),
  pages: constantFrom(256, 512, 513, 1024),
  frame: nat(3).map((n) => n * 512),
  write: boolean(),
  small: boolean(),
})
const operation: Arbitrary<Operation> = oneof(
  record({
    kind: constant('map' as const),
    ...place,
    frame: nat(5000),
    write: boolean(),
    small: boolean(),
  }),
  aligned,
  record({ kind: constant('unmap' as const), ...place }),
  record({ kind: constant('protect' as const), ...place, write: boolean() }),
)

/** What a page table means: page to frame and right. */
class Model {
  readonly pages = new Map<number, { frame: number; write: boolean }>()

  /** `false`: refused. */
  apply(op: Operation): boolean {
    const end = Math.min(op.page + op.pages, WINDOW)
    if (op.kind === 'map') {
      for (let page = op.page; page < end; page++) if (this.pages.has(page)) return false
    }
    for (let page = op.page; page < end; page++) {
      const old = this.pages.get(page)
      if (op.kind === 'map') this.pages.set(page, { frame: op.frame + page - op.page, write: op.write })
      else if (op.kind === 'unmap') this.pages.delete(page)
      else if (old !== undefined) this.pages.set(page, { frame: old.frame, write: op.write })
    }
    return true
  }
}

function applyToTable(rig: Rig, op: Operation): boolean {
  const address = rig.base + BigInt(op.page) * 4096n
  const pages = Math.min(op.page + op.pages, WINDOW) - op.page
  try {
    if (op.kind === 'unmap') rig.unmap(address, pages)
    else if (op.kind === 'map')
      rig.map(address, op.frame, pages, op.write ? RW : ACCESS_READ, op.small ? 12 : 63)
    else rig.table.changeAccess(hiOf(address), loOf(address), pages, 0, op.write ? RW : ACCESS_READ)
    return true
  } catch (error) {
    if (!isErrno(error)) throw error
    return false
  }
}

/** Pages on which walker and model differ. */
function differences(rig: Rig, model: Model): number[] {
  const wrong: number[] = []
  for (let page = 0; page < WINDOW; page++) {
    const address = rig.base + BigInt(page) * 4096n
    const expected = model.pages.get(page)
    const wanted = expected === undefined ? WALK_NOT_PRESENT : expected.write ? WALK_OK : WALK_NO_PERMISSION
    if (rig.walk(address, ACCESS_WRITE) !== wanted) wrong.push(page)
    else if (expected !== undefined && (rig.walk(address) !== WALK_OK || rig.out.frame !== expected.frame)) {
      wrong.push(page)
    }
  }
  return wrong
}

/** Random maps, unmaps and changes of access: table, walker and model agree, and nothing leaks. */
export function checkRandomSequences(format: PageTableFormat): void {
  const operations = array(
    operation.filter((op) => op.pages > 0),
    { minLength: 1, maxLength: 25 },
  )
  assert(
    property(operations, (ops) => {
      const rig = new Rig(format)
      const model = new Model()
      for (const op of ops) expect(applyToTable(rig, op)).toBe(model.apply(op))
      expect(differences(rig, model)).toEqual([])
      expect(rig.frames.inUse).toBe(rig.table.tables)
      rig.table.destroy()
      expect(rig.frames.inUse).toBe(0)
    }),
    { numRuns: 100, seed: 20240607 },
  )
}
