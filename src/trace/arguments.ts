// SPDX-License-Identifier: MIT
import { hex64, hiOf, loOf, toBigint } from '../base/u64.ts'
import { type ArgumentKind, REQUEST_LAST } from './events.ts'

/** What an argument looks like outside: JSON without objects. */
export type ArgumentValue = string | number | boolean | null

/** The names that arguments refer to: a `Recorder`, as far as it matters here. */
export interface Names {
  nameOf(rid: number): string | undefined
  ridOf(name: string): number | undefined
  internedName(number: number): string | undefined
  intern(name: string): number
}

const ACCESS_LETTERS = 'rwxp'

/** Names of codes; a code without a name is printed as a number. */
const CODES: Partial<Record<ArgumentKind, Readonly<Record<number, string>>>> = {
  prg: { 0: 'success', 1: 'invalid', 15: 'failure' },
  response: { 0: 'success', 1: 'invalid', 2: 'failure' },
  ats: { 0: 'success', 1: 'unsupported', 2: 'abort' },
}

function hex(value: number, digits: number): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`
}

function accessText(bits: number): string {
  let letters = ''
  for (let bit = 0; bit < ACCESS_LETTERS.length; bit++)
    letters += (bits >> bit) & 1 ? ACCESS_LETTERS[bit] : ''
  return letters === '' ? 'none' : letters
}

function codeValue(kind: ArgumentKind, code: number): ArgumentValue {
  return CODES[kind]?.[code] ?? code
}

/** A length: a number while it is exact, else decimal digits. */
function bytesValue(hi: number, lo: number): ArgumentValue {
  const value = toBigint(hi, lo)
  return value <= 9007199254740991n ? Number(value) : value.toString()
}

/** The argument whose (first) int32 is `first`; `second` counts for kinds of two. */
export function showArgument(kind: ArgumentKind, first: number, second: number, names: Names): ArgumentValue {
  switch (kind) {
    case 'rid':
      return names.nameOf(first) ?? hex(first, 4)
    case 'pasid':
      return first === -1 ? null : first
    case 'hex64':
      return hex64(first, second)
    case 'bytes64':
      return bytesValue(first, second)
    case 'hex32':
      return hex(first, 8)
    case 'u32':
      return first >>> 0
    case 'i32':
      return first
    case 'bool':
      return first !== 0
    case 'access':
      return accessText(first)
    case 'request':
      return first & REQUEST_LAST ? `${accessText(first)} last` : accessText(first)
    case 'name':
      return names.internedName(first) ?? ''
    default:
      return codeValue(kind, first)
  }
}

/** What `readArgument` accepts, for messages. */
export function expectedOf(kind: ArgumentKind): string {
  switch (kind) {
    case 'rid':
      return "a device's name or 0x and 4 hex digits"
    case 'pasid':
      return 'null or a number from 0 to 1048575'
    case 'hex64':
      return '0x and 16 hex digits'
    case 'bytes64':
      return 'a whole number from 0 to 2^64-1'
    case 'hex32':
      return '0x and 8 hex digits'
    case 'u32':
      return 'a whole number from 0 to 2^32-1'
    case 'i32':
      return 'a whole number from -2^31 to 2^31-1'
    case 'bool':
      return 'true or false'
    case 'access':
      return "letters of 'rwxp' or 'none'"
    case 'request':
      return "letters of 'rwxp' or 'none', and ' last' for the last request"
    case 'name':
      return 'a string'
    default:
      return `one of ${Object.values(CODES[kind] ?? {}).join(', ')}, or a number`
  }
}

/** Reads back what `showArgument` gave, into `out` at the index; `false` when it is nothing of the kind. */
export function readArgument(
  kind: ArgumentKind,
  value: unknown,
  names: Names,
  out: Int32Array,
  index: number,
): boolean {
  if (kind === 'hex64' || kind === 'bytes64') return readWide(kind, value, out, index)
  const read = readNarrow(kind, value, names)
  if (read === undefined) return false
  out[index] = read
  return true
}

function readWide(kind: 'hex64' | 'bytes64', value: unknown, out: Int32Array, index: number): boolean {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string') return false
  if (!(kind === 'hex64' ? /^0x[0-9a-f]{16}$/ : /^[0-9]{1,20}$/).test(text)) return false
  const wide = BigInt(text)
  if (wide > 0xffff_ffff_ffff_ffffn) return false
  out[index] = hiOf(wide)
  out[index + 1] = loOf(wide)
  return true
}

function readNarrow(kind: ArgumentKind, value: unknown, names: Names): number | undefined {
  switch (kind) {
    case 'rid':
      return typeof value === 'string' ? (names.ridOf(value) ?? readHex(value, 4)) : undefined
    case 'pasid':
      return value === null ? -1 : readInteger(value, 0, 0xfffff)
    case 'hex32':
      return readHex(value, 8)
    case 'u32':
      return readInteger(value, 0, 0xffffffff)
    case 'i32':
      return readInteger(value, -0x80000000, 0x7fffffff)
    case 'bool':
      return typeof value === 'boolean' ? Number(value) : undefined
    case 'name':
      return typeof value === 'string' ? names.intern(value) : undefined
    case 'access':
    case 'request':
      return typeof value === 'string' ? readAccess(value, kind === 'request') : undefined
    default:
      return readCode(kind, value)
  }
}

function readInteger(value: unknown, from: number, to: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to
    ? value
    : undefined
}

function readHex(value: unknown, digits: number): number | undefined {
  if (typeof value !== 'string' || value.length !== digits + 2) return undefined
  return /^0x[0-9a-f]+$/.test(value) ? Number.parseInt(value, 16) : undefined
}

function readAccess(text: string, mayBeLast: boolean): number | undefined {
  const last = mayBeLast && text.endsWith(' last')
  const letters = last ? text.slice(0, -5) : text
  let bits = last ? REQUEST_LAST : 0
  if (letters === 'none') return bits
  if (!/^r?w?x?p?$/.test(letters) || letters === '') return undefined
  for (const letter of letters) bits |= 1 << ACCESS_LETTERS.indexOf(letter)
  return bits
}

function readCode(kind: ArgumentKind, value: unknown): number | undefined {
  if (typeof value === 'number') return readInteger(value, -0x80000000, 0x7fffffff)
  const found = Object.entries(CODES[kind] ?? {}).find(([, name]) => name === value)
  return found === undefined ? undefined : Number(found[0])
}
