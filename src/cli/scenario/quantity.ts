// SPDX-License-Identifier: MIT
/** Quantities with units, as users write them: `5us`, `64 KiB`; a plain number is nanoseconds or bytes. */
import { nearest } from '../suggest.ts'

export interface UnitTable {
  /** For messages: `a duration such as 5us`. */
  readonly what: string
  readonly example: string
  readonly plain: string
  /** Multiples of the plain unit, ascending. */
  readonly units: ReadonlyMap<string, number>
}

export const DURATION: UnitTable = {
  what: 'a duration',
  example: '5us',
  plain: 'nanoseconds',
  units: new Map([
    ['ns', 1],
    ['us', 1e3],
    ['ms', 1e6],
    ['s', 1e9],
  ]),
}

export const SIZE: UnitTable = {
  what: 'a size',
  example: '64KiB',
  plain: 'bytes',
  units: new Map([
    ['B', 1],
    ['KiB', 2 ** 10],
    ['MiB', 2 ** 20],
    ['GiB', 2 ** 30],
    ['TiB', 2 ** 40],
  ]),
}

export type Quantity =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly why: string }

const SHAPE = /^\s*(?<digits>\d{1,16}(?:\.\d{1,16})?)\s*(?<unit>[A-Za-zµμ]*)\s*$/

/** A whole number of the table's plain unit, or why `value` is none. */
export function parseQuantity(table: UnitTable, value: unknown): Quantity {
  const scaled = typeof value === 'number' ? value : scaledText(table, value)
  if (typeof scaled === 'string') return { ok: false, why: scaled }
  if (!Number.isFinite(scaled) || scaled < 0) return { ok: false, why: `${describe(table)}, not negative` }
  if (scaled > Number.MAX_SAFE_INTEGER) return { ok: false, why: `${table.what} below 2^53 ${table.plain}` }
  const whole = Math.round(scaled)
  if (Math.abs(whole - scaled) > 1e-6 * Math.max(1, whole)) {
    return { ok: false, why: `${table.what} that is a whole number of ${table.plain}` }
  }
  return { ok: true, value: whole }
}

function scaledText(table: UnitTable, value: unknown): number | string {
  const groups = typeof value === 'string' ? SHAPE.exec(value)?.groups : undefined
  if (groups === undefined) return describe(table)
  const unit = (groups['unit'] ?? '').replace(/^[µμ]s$/, 'us')
  const factor = unit === '' ? 1 : table.units.get(unit)
  if (factor === undefined) return wrongUnit(table, unit)
  return Number(groups['digits']) * factor
}

function describe(table: UnitTable): string {
  return `${table.what} such as ${table.example} (${unitNames(table)}, or a plain number of ${table.plain})`
}

function wrongUnit(table: UnitTable, unit: string): string {
  const names = [...table.units.keys()]
  const near = SYNONYMS.get(unit.toLowerCase()) ?? nearest(unit, names)
  const hint = near !== undefined && table.units.has(near) ? `; did you mean ${near}?` : ''
  return `${table.what} in ${unitNames(table)}, not in ${JSON.stringify(unit)}${hint}`
}

/** Spellings of other tools; nothing is guessed silently, they only choose the hint. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['k', 'KiB'],
  ['kb', 'KiB'],
  ['m', 'MiB'],
  ['mb', 'MiB'],
  ['g', 'GiB'],
  ['gb', 'GiB'],
  ['b', 'B'],
  ['bytes', 'B'],
  ['sec', 's'],
  ['seconds', 's'],
  ['msec', 'ms'],
  ['usec', 'us'],
  ['nsec', 'ns'],
])

function unitNames(table: UnitTable): string {
  return [...table.units.keys()].join(', ')
}

/** For the JSON schema: the spellings that `parseQuantity` takes. */
export function quantityPattern(table: UnitTable): string {
  return String.raw`^\s*\d+(\.\d+)?\s*(${[...table.units.keys()].join('|')})?\s*$`
}

/** `4.19 ms`, `12.0 us`, `250 ns`: three digits, for people. */
export function formatNanos(nanos: number): string {
  return formatScaled(nanos, [...DURATION.units])
}

/** `1.00 GiB`, `64.0 KiB`, `17 B`. */
export function formatBytes(bytes: number): string {
  return formatScaled(bytes, [...SIZE.units])
}

function formatScaled(value: number, units: readonly (readonly [string, number])[]): string {
  const fitting = units.findLast(([, factor]) => value >= factor) ?? units[0]!
  const scaled = value / fitting[1]
  if (fitting[1] === 1) return `${Math.round(scaled)} ${fitting[0]}`
  const decimals = scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2
  return `${scaled.toFixed(decimals)} ${fitting[0]}`
}
