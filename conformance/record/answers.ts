// SPDX-License-Identifier: MIT
/** Answers as they are kept beside a case: what each operation returned, and the fields that it changed. */
import { constants } from 'node:os'
import type { BufferLabel, EncodedCase, OperationLabel } from '../format/encoded.ts'
import { contentsOf } from '../program/contents.ts'
import type { ProgramResult, Run } from '../program/program.ts'

/** Names as in the case; numbers as hexadecimal text, longer things as bytes. */
export interface RecordedAnswer {
  readonly operation: string
  /** A number, or the name of an errno. */
  readonly returned: number | string
  readonly wrote?: Readonly<Record<string, string>>
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, number]): [number, string] => [number, name]),
  [11, 'EAGAIN'],
  [95, 'EOPNOTSUPP'],
  [52, 'EBADE'],
  [77, 'EBADFD'],
])

export function answersOf({ program, labels }: EncodedCase, result: ProgramResult): RecordedAnswer[] {
  const contents = contentsOf(program, result)
  return result.answers.map(({ returned, changed }, index) => {
    const label = labels[index]
    if (label?.isHidden === true) return { operation: textOf(label), returned: 0 }
    const wrote = changed.flatMap((runs, buffer) => {
      const after = contents[index]?.[buffer] ?? new Uint8Array()
      return namedChanges(label?.buffers[buffer], runs, after)
    })
    const answer = { operation: textOf(label), returned: nameReturned(returned) }
    return wrote.length === 0 ? answer : { ...answer, wrote: Object.fromEntries(wrote) }
  })
}

function textOf(label: OperationLabel | undefined): string {
  return label?.text ?? ''
}

function nameReturned(returned: bigint): number | string {
  if (returned >= 0n || returned < -4095n) return Number(returned)
  return ERRNO_NAMES.get(Number(-returned)) ?? `errno ${-returned}`
}

type Named = [name: string, value: string]

/** Whole fields where a field was touched, bytes at their offset elsewhere. */
function namedChanges(label: BufferLabel | undefined, runs: readonly Run[], after: Uint8Array): Named[] {
  const prefix = label === undefined || label.prefix === '' ? '' : `${label.prefix}.`
  return runs.flatMap(({ offset, bytes }) => [
    ...nameRun(label, prefix, offset, offset + bytes.length, after),
  ])
}

function* nameRun(
  label: BufferLabel | undefined,
  prefix: string,
  start: number,
  end: number,
  after: Uint8Array,
): Iterable<Named> {
  for (let at = start; at < end; ) {
    const from = at
    const field = fieldAt(label, at, after.length)
    const stop = field?.end ?? nextField(label, at, end, after.length)
    at = stop
    if (isCounter(label, field)) continue
    if (field === undefined) yield [`${prefix}+${from}`, hex(after.subarray(from, stop))]
    else yield [prefix + field.name, numberOrBytes(after.subarray(field.start, field.end))]
  }
}

/** The log's sequence number counts since the kernel started. */
function isCounter(label: BufferLabel | undefined, field: PlacedField | undefined): boolean {
  return label?.layout?.name === 'x_response' && field?.name.endsWith('.seq') === true
}

interface PlacedField {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** The field that the byte belongs to. */
function fieldAt(label: BufferLabel | undefined, at: number, length: number): PlacedField | undefined {
  const layout = label?.layout
  if (label === undefined || layout === undefined) return undefined
  const index = label.isList ? Math.floor(at / layout.bytes) : 0
  const base = index * layout.bytes
  const field = layout.fields.find(({ offset, bytes, elements }) => {
    const start = base + offset
    return at >= start && at < start + bytes * elements
  })
  if (field === undefined) return undefined
  const start = base + field.offset
  const end = Math.min(start + field.bytes * field.elements, length)
  return { name: label.isList ? `${index}.${field.name}` : field.name, start, end }
}

/** Where bytes without a name end. */
function nextField(label: BufferLabel | undefined, at: number, end: number, length: number): number {
  for (let next = at + 1; next < end; next++) if (fieldAt(label, next, length) !== undefined) return next
  return end
}

function numberOrBytes(bytes: Uint8Array): string {
  if (bytes.length > 8) return hex(bytes)
  return `0x${hex(bytes.toReversed()).replace(/^0+(?=.)/, '')}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
