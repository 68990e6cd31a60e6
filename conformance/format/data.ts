// SPDX-License-Identifier: MIT
/** Bytes that a pointer of a case points to. */
import { namesOfField } from './constants.ts'
import type { OperationDraft } from './draft.ts'
import type { BufferLabel } from './encoded.ts'
import { type Field, type Layout, layoutNamed } from './layouts.ts'
import type { Data, FieldValue, Value } from './schema.ts'

export function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/[ _]/g, ''), 'hex'))
}

/** Adds the buffer; returns its index. `at` goes before the data's own. */
export function encodeData(draft: OperationDraft, prefix: string, data: Data, at = data.at): number {
  if ('struct' in data) return encodeList(draft, prefix, data, at)
  const plain: Omit<BufferLabel, 'bytes'> = { prefix, layout: undefined, isList: false }
  if ('bytes' in data) return draft.buffer(bytesOfHex(data.bytes), plain, at)
  if ('zero' in data) return draft.buffer(new Uint8Array(Number(data.zero)), plain, at)
  if ('fill' in data) {
    const [byte, count] = data.fill
    return draft.buffer(new Uint8Array(Number(count)).fill(Number(byte)), plain, at)
  }
  return 'u32' in data
    ? encodeNumbers(draft, plain, data.u32, 4, at)
    : encodeNumbers(draft, plain, data.u64, 8, at)
}

function encodeNumbers(
  draft: OperationDraft,
  label: Omit<BufferLabel, 'bytes'>,
  values: readonly Value[],
  width: 4 | 8,
  at: Value | undefined,
): number {
  const name = width === 4 ? 'u32' : 'u64'
  const layout = { name, bytes: width, fields: [{ name, offset: 0, bytes: width, elements: 1 }] }
  const buffer = draft.buffer(new Uint8Array(values.length * width), { ...label, layout, isList: true }, at)
  values.forEach((value, index) => draft.put(buffer, index * width, width, value))
  return buffer
}

function encodeList(
  draft: OperationDraft,
  prefix: string,
  data: Extract<Data, { struct: string }>,
  at: Value | undefined,
): number {
  const layout = layoutNamed(data.struct)
  const tail = bytesOfHex(data.tail ?? '')
  const bytes = new Uint8Array(data.list.length * layout.bytes + tail.length)
  bytes.set(tail, data.list.length * layout.bytes)
  const buffer = draft.buffer(bytes, { prefix, layout, isList: true }, at)
  data.list.forEach((fields, index) => {
    for (const [name, value] of Object.entries(fields))
      putField(draft, buffer, layout, index * layout.bytes, name, value)
  })
  return buffer
}

export function fieldNamed(layout: Layout, name: string): Field {
  const field = layout.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return field
  const names = layout.fields.map((candidate) => candidate.name)
  throw new Error(`${layout.name} has no field ${name}: it has ${names.join(', ')}`)
}

/** A number, the numbers of an array, or bytes of their own that the field points to. */
export function putField(
  draft: OperationDraft,
  buffer: number,
  layout: Layout,
  base: number,
  name: string,
  value: FieldValue,
): void {
  const field = fieldNamed(layout, name)
  const names = namesOfField(layout.name, name)
  const place = base + field.offset
  if (Array.isArray(value)) {
    if (value.length > field.elements) throw new Error(`${name} has ${field.elements} elements`)
    value.forEach((one, index) => draft.put(buffer, place + index * field.bytes, field.bytes, one, names))
  } else if (typeof value === 'object') {
    if (field.bytes !== 8) throw new Error(`${name} is not a pointer`)
    draft.put(buffer, place, 8, draft.addressOf(encodeData(draft, name, value)))
  } else draft.put(buffer, place, field.bytes, value, names)
}
