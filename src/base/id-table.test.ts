// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENOSPC } from './errno.ts'
import { IdTable } from './id-table.ts'

/** The model: what each id is; the lowest id that is nothing is free. */
class Model {
  readonly states = new Map<number, string | undefined>()
  readonly buried = new Set<number>()

  lowestFree(): number {
    let id = 1
    while (this.states.has(id) || this.buried.has(id)) id++
    return id
  }

  published(): [number, string][] {
    const entries: [number, string][] = []
    for (const [id, value] of this.states) if (value !== undefined) entries.push([id, value])
    return entries.toSorted((a, b) => a[0] - b[0])
  }
}

function apply(table: IdTable<string>, model: Model, action: string, pick: number): void {
  const taken = [...model.states.keys()]
  const id = taken[pick % Math.max(taken.length, 1)]
  if (action === 'reserve') {
    const expected = model.lowestFree()
    expect(table.reserve()).toBe(expected)
    model.states.set(expected, undefined)
  } else if (id === undefined) return
  else if (action === 'publish' && model.states.get(id) === undefined) {
    table.publish(id, `value ${id}`)
    model.states.set(id, `value ${id}`)
  } else if (action === 'erase') {
    table.erase(id)
    model.states.delete(id)
  } else if (action === 'bury') {
    table.bury(id)
    model.states.delete(id)
    model.buried.add(id)
  }
}

describe('IdTable against a map', () => {
  it('hands out the lowest free id and shows published ids only (spec/02 §1)', () => {
    const action = fc.constantFrom('reserve', 'reserve', 'reserve', 'publish', 'publish', 'erase', 'bury')
    const operations = fc.array(fc.tuple(action, fc.nat({ max: 1000 })), { maxLength: 400, size: 'max' })
    fc.assert(
      fc.property(operations, (list) => {
        const table = new IdTable<string>()
        const model = new Model()
        for (const [kind, pick] of list) apply(table, model, kind, pick)
        expect([...table.entries()]).toEqual(model.published())
        expect(table.size).toBe(model.published().length)
        for (let id = 0; id < 200; id++) {
          expect(table.get(id)).toBe(model.states.get(id))
          expect(table.isTaken(id)).toBe(model.states.has(id) || model.buried.has(id))
        }
      }),
    )
  })
})

describe('IdTable', () => {
  it('re-uses an id at once after it was erased (spec/02 §1, ids)', () => {
    const table = new IdTable<string>()
    expect([table.add('a'), table.add('b'), table.add('c')]).toEqual([1, 2, 3])
    table.erase(2)
    expect(table.add('d')).toBe(2)
    expect([...table.values()]).toEqual(['a', 'd', 'c'])
  })

  it('keeps a buried id absent and never hands it out again (spec/02 §1, tombstone)', () => {
    const table = new IdTable<string>()
    table.add('a')
    table.bury(1)
    expect(table.get(1)).toBeUndefined()
    expect(table.add('b')).toBe(2)
  })

  it('finds nothing under 0, numbers beyond the table, negative numbers and fractions', () => {
    const table = new IdTable<string>()
    table.add('a')
    for (const id of [0, 2, 4_294_967_295, -1, 1.5, Number.NaN]) {
      expect(table.get(id)).toBeUndefined()
      expect(table.isTaken(id)).toBe(false)
    }
  })

  it('throws ENOSPC when every id of its range is taken', () => {
    const table = new IdTable<string>(5, 6)
    expect([table.reserve(), table.reserve()]).toEqual([5, 6])
    expect(() => table.reserve()).toThrow(expect.objectContaining(ENOSPC))
    table.erase(5)
    expect(table.reserve()).toBe(5)
  })

  it('finds the next published id above a number', () => {
    const table = new IdTable<string>()
    table.add('a')
    table.reserve()
    table.add('c')
    expect([table.nextId(0), table.nextId(1), table.nextId(3)]).toEqual([1, 3, -1])
  })

  it('may be changed while it is iterated', () => {
    const table = new IdTable<number>()
    for (let i = 1; i <= 5; i++) table.add(i)
    const seen: number[] = []
    for (const [id] of table.entries()) {
      seen.push(id)
      if (id === 2) table.erase(3)
    }
    expect(seen).toEqual([1, 2, 4, 5])
  })

  it('asserts on publishing what is not reserved and on erasing what is not taken', () => {
    const table = new IdTable<string>()
    const id = table.add('a')
    expect(() => table.publish(id, 'b')).toThrow('id 1 is not reserved')
    expect(() => table.publish(9, 'b')).toThrow('id 9 is not reserved')
    expect(() => table.erase(9)).toThrow('id 9 is not taken')
    expect(() => table.replace(9, 'x')).toThrow('id 9 is not published')
    table.replace(id, 'c')
    expect(table.get(id)).toBe('c')
  })
})
