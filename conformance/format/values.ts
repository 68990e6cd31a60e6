// SPDX-License-Identifier: MIT
/** Numbers of a case: plain, by name (`FIXED_IOVA|READABLE`), or what an earlier operation gave (`$map.iova + 4096`). */
import type { Value } from './schema.ts'

export interface Reference {
  /** The `as` of an earlier operation. */
  readonly name: string
  /** Empty: what it returned. */
  readonly path: readonly string[]
  readonly plus: bigint
}

export type Resolved = bigint | Reference

/** Throws an `Error` that says what is wrong. */
export function resolveValue(value: Value, names: Readonly<Record<string, number>> = {}): Resolved {
  if (typeof value === 'bigint') return value
  return value.startsWith('$') ? resolveReference(value) : resolveNames(value, names)
}

function resolveReference(text: string): Reference {
  const match = /^\$(\w+)((?:\.\w+)*)(?:\s*([+-])\s*(0x[0-9a-f]+|\d+))?$/i.exec(text)
  if (match === null) throw new Error(`${text}: expected $name.field, or $name.field + number`)
  const [, name = '', path = '', sign, amount = '0'] = match
  const plus = sign === '-' ? -BigInt(amount) : BigInt(amount)
  return { name, path: path.split('.').slice(1), plus }
}

function resolveNames(text: string, names: Readonly<Record<string, number>>): bigint {
  return text.split('|').reduce((sum, part) => sum | valueOfName(part.trim(), names), 0n)
}

function valueOfName(name: string, names: Readonly<Record<string, number>>): bigint {
  const known = names[name]
  if (known !== undefined) return BigInt(known)
  if (/^(?:0x[0-9a-f]+|-?\d+)$/i.test(name)) return BigInt(name)
  const list = Object.keys(names)
  throw new Error(
    `${name}: no such name here${list.length > 0 ? `; there are ${list.join(', ')}` : ', only numbers'}`,
  )
}
