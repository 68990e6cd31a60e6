// SPDX-License-Identifier: MIT
import { array, boolean, assert as check, constantFrom, nat, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { isErrno } from '../../base/errno.ts'
import { Descriptors, type Held } from './descriptors.ts'

class Counted implements Held {
  references = 1

  get(): void {
    this.references++
  }

  put(): void {
    this.references--
  }
}

/** What Linux's fd table does, in the simplest way: a map, and a search from 0. */
class Model {
  limit = 8
  readonly files: Map<number, { file: Counted; closeOnExec: boolean }> = new Map()

  lowest(from: number): number | 'EMFILE' {
    let fd = from
    while (this.files.has(fd)) fd++
    return fd < this.limit ? fd : 'EMFILE'
  }

  open(file: Counted, closeOnExec: boolean, from: number): number | string {
    const fd = this.lowest(from)
    if (fd !== 'EMFILE') this.files.set(fd, { file, closeOnExec })
    return fd
  }

  dupFrom(fd: number, from: number, closeOnExec: boolean): number | string {
    const known = this.files.get(fd)
    if (known === undefined) return 'EBADF'
    return from < this.limit ? this.open(known.file, closeOnExec, from) : 'EINVAL'
  }

  dupTo(fd: number, target: number, closeOnExec: boolean): string {
    const known = this.files.get(fd)
    if (target >= this.limit || known === undefined) return 'EBADF'
    this.files.set(target, { file: known.file, closeOnExec })
    return 'ok'
  }

  close(fd: number): string {
    return this.files.delete(fd) ? 'ok' : 'EBADF'
  }
}

function outcome(run: () => number | void): number | string {
  try {
    return run() ?? 'ok'
  } catch (thrown) {
    if (isErrno(thrown)) return thrown.code
    throw thrown
  }
}

const fd = nat(11)
const step = oneof(
  record({ kind: constantFrom('open' as const), closeOnExec: boolean() }),
  record({ kind: constantFrom('dup' as const), fd }),
  record({ kind: constantFrom('dupFrom' as const), fd, from: fd, closeOnExec: boolean() }),
  record({ kind: constantFrom('dupTo' as const), fd, target: fd, closeOnExec: boolean() }),
  record({ kind: constantFrom('close' as const), fd }),
  record({ kind: constantFrom('flag' as const), fd, closeOnExec: boolean() }),
  record({ kind: constantFrom('limit' as const), limit: nat(10) }),
  record({ kind: constantFrom('exec' as const) }),
)

type Step = typeof step extends import('fast-check').Arbitrary<infer T> ? T : never

function apply(step: Step, table: Descriptors<Counted>, model: Model): [number | string, number | string] {
  switch (step.kind) {
    case 'open': {
      const file = new Counted()
      const done = outcome(() => table.open(file, step.closeOnExec))
      file.put()
      return [done, model.open(file, step.closeOnExec, 0)]
    }
    case 'dup':
      return [
        outcome(() => table.dup(step.fd)),
        model.files.has(step.fd) ? model.open(model.files.get(step.fd)!.file, false, 0) : 'EBADF',
      ]
    case 'dupFrom':
      return [
        outcome(() => table.dupFrom(step.fd, step.from, step.closeOnExec)),
        model.dupFrom(step.fd, step.from, step.closeOnExec),
      ]
    case 'dupTo':
      return [
        outcome(() => table.dupTo(step.fd, step.target, step.closeOnExec)),
        model.dupTo(step.fd, step.target, step.closeOnExec),
      ]
    case 'close':
      return [outcome(() => table.close(step.fd)), model.close(step.fd)]
    case 'flag': {
      const known = model.files.get(step.fd)
      if (known !== undefined) known.closeOnExec = step.closeOnExec
      const done = outcome(() => table.setCloseOnExec(step.fd, step.closeOnExec))
      return [done, known === undefined ? 'EBADF' : 'ok']
    }
    case 'limit':
      table.limit = step.limit
      model.limit = step.limit
      return ['ok', 'ok']
    default:
      table.closeOnExec()
      for (const [number, { closeOnExec }] of model.files) if (closeOnExec) model.files.delete(number)
      return ['ok', 'ok']
  }
}

function compare(table: Descriptors<Counted>, model: Model): void {
  const seen = table.descriptors.map((number) => [number, table.get(number), table.closesOnExec(number)])
  const expected = [...model.files]
    .sort(([a], [b]) => a - b)
    .map(([number, { file, closeOnExec }]) => [number, file, closeOnExec])
  expect(seen).toEqual(expected)
  for (const file of new Set([...model.files.values()].map((known) => known.file))) {
    const holders = [...model.files.values()].filter((known) => known.file === file).length
    expect(file.references).toBe(holders)
  }
}

test('any sequence of calls gives the numbers, errors, flags and references of the model; children too', () => {
  check(
    property(array(step, { maxLength: 60 }), (steps) => {
      const table = new Descriptors<Counted>(8)
      const model = new Model()
      for (const one of steps) {
        const [done, expected] = apply(one, table, model)
        expect([one, done]).toEqual([one, expected])
        compare(table, model)
      }
      const child = new Descriptors<Counted>(table.limit)
      child.copyFrom(table)
      expect(child.descriptors).toEqual(table.descriptors)
      child.closeAll()
      compare(table, model)
    }),
    { numRuns: 2000 },
  )
})

test('a reserved number is taken and looks closed; dup2 onto it is EBUSY', () => {
  const table = new Descriptors<Counted>(8)
  expect(table.reserve()).toBe(0)
  expect(outcome(() => table.close(0))).toBe('EBADF')
  const file = new Counted()
  expect(table.open(file)).toBe(1)
  expect(outcome(() => table.dupTo(1, 0, false))).toBe('EBUSY')
  table.install(0, new Counted())
  expect([table.closesOnExec(0), table.closesOnExec(1)]).toEqual([true, false])
})

test('a file that goes with its last descriptor may use the table meanwhile', () => {
  const table = new Descriptors<Counted>(8)
  const file = new Counted()
  const late = new Counted()
  table.install(table.reserve(false), file)
  file.put = () => {
    file.references--
    table.open(late)
  }
  table.close(0)
  expect(table.get(0)).toBe(late)
})

test('numbers that are no numbers are EBADF', () => {
  const table = new Descriptors<Counted>(8)
  for (const odd of [-1, 2 ** 31, 2 ** 32, 0.5, Number.NaN]) {
    expect(outcome(() => table.close(odd))).toBe('EBADF')
    expect(outcome(() => void table.get(odd))).toBe('EBADF')
  }
})
