// SPDX-License-Identifier: MIT
import {
  ARENA,
  FAIL_ALL,
  type Operation,
  type OperationCode,
  type Patch,
  SCRATCH,
} from '../program/program.ts'
import type { BufferLabel, OperationLabel } from './encoded.ts'
import type { Layout } from './layouts.ts'
import { type Resolved, resolveValue } from './values.ts'
import type { SpecOf, Value } from './schema.ts'

/** Buffers of one operation start this far from each other in the scratch area. */
const BUFFER_STRIDE = 0x4000

/** A result that later operations may refer to. */
export interface NamedResult {
  readonly operation: number
  readonly buffers: readonly BufferLabel[]
}

/** One operation while it is being made. Complaints are `Error`s without a place. */
export class OperationDraft {
  readonly #code: OperationCode
  readonly #role: number
  readonly #results: ReadonlyMap<string, NamedResult>
  readonly #arguments: bigint[] = []
  readonly #buffers: { address: bigint; bytes: Uint8Array; isScratch: boolean }[] = []
  readonly #labels: BufferLabel[] = []
  readonly #patches: Patch[] = []
  #failNth = 0
  #failPoint: string | undefined

  constructor(code: OperationCode, role: number, results: ReadonlyMap<string, NamedResult>) {
    this.#code = code
    this.#role = role
    this.#results = results
  }

  get labels(): readonly BufferLabel[] {
    return this.#labels
  }

  argument(value: Value, names?: Readonly<Record<string, number>>): void {
    const index = this.#arguments.length
    const resolved = resolveValue(value, names)
    this.#arguments.push(0n)
    this.#put(resolved, { argument: index }, (constant) => (this.#arguments[index] = constant))
  }

  /** Adds bytes at an address, or in the scratch area; returns the buffer's index. */
  buffer(bytes: Uint8Array, label: Omit<BufferLabel, 'bytes'>, at?: Value): number {
    const index = this.#buffers.length
    const isScratch = at === undefined
    if (isScratch && bytes.length > BUFFER_STRIDE) {
      throw new Error(`${bytes.length} bytes need an address (at): at most ${BUFFER_STRIDE} go without`)
    }
    const address = isScratch ? BigInt(SCRATCH.address + index * BUFFER_STRIDE) : fixed(at)
    this.#buffers.push({ address, bytes: Uint8Array.from(bytes), isScratch })
    this.#labels.push({ ...label, bytes: bytes.length })
    return index
  }

  addressOf(buffer: number): bigint {
    return this.#buffers[buffer]?.address ?? 0n
  }

  lengthOf(buffer: number): number {
    return this.#buffers[buffer]?.bytes.length ?? 0
  }

  /** Writes a number into a buffer. */
  put(
    buffer: number,
    offset: number,
    bytes: number,
    value: Value,
    names?: Readonly<Record<string, number>>,
  ): void {
    const resolved = resolveValue(value, names)
    const into = { buffer, offset, bytes: widthOf(bytes) }
    this.#put(resolved, into, (constant) => this.#write(buffer, offset, bytes, constant))
  }

  /** An allocation of the operation fails. */
  inject(fails: SpecOf<'read'>['fails']): void {
    if (fails === undefined) return
    this.#failNth = fails.allocation === 'all' ? FAIL_ALL : Number(fails.allocation)
    this.#failPoint = fails.point
  }

  finish(): Operation {
    return {
      code: this.#code,
      role: this.#role,
      arguments: this.#arguments,
      buffers: this.#buffers,
      patches: this.#patches,
      failNth: this.#failNth,
      ...(this.#failPoint === undefined ? {} : { failPoint: this.#failPoint }),
    }
  }

  label(line: number, text: string, isHidden: boolean): OperationLabel {
    return { line, text, buffers: this.#labels, isHidden }
  }

  #write(buffer: number, offset: number, bytes: number, constant: bigint): void {
    const into = this.#buffers[buffer]?.bytes
    if (into === undefined) return
    for (let i = 0; i < bytes; i++) into[offset + i] = Number((constant >> BigInt(8 * i)) & 0xffn)
  }

  #put(resolved: Resolved, into: Patch['into'], constant: (value: bigint) => void): void {
    if (typeof resolved === 'bigint') {
      constant(resolved)
      return
    }
    const result = this.#results.get(resolved.name)
    if (result === undefined) throw new Error(`$${resolved.name}: no earlier operation has this name`)
    const from = resolved.path.length === 0 ? 'returned' : findField(result.buffers, resolved.path)
    this.#patches.push({ into, operation: result.operation, from, plus: resolved.plus })
  }
}

function fixed(at: Value): bigint {
  const resolved = resolveValue(at, { ARENA: ARENA.address, SCRATCH: SCRATCH.address })
  if (typeof resolved !== 'bigint') throw new Error('an address (at) is a number')
  return resolved
}

function widthOf(bytes: number): 2 | 4 | 8 {
  if (bytes === 2 || bytes === 4 || bytes === 8) return bytes
  return 2
}

/** Where a field stands in what an operation left: `field`, `0.field`, `data_uptr.field`, `data_uptr.0.field`. */
function findField(
  buffers: readonly BufferLabel[],
  path: readonly string[],
): { buffer: number; offset: number; bytes: 1 | 2 | 4 | 8 } {
  for (const [buffer, { prefix, layout, bytes }] of buffers.entries()) {
    if (layout === undefined) continue
    const rest = prefix === '' ? path : path[0] === prefix ? path.slice(1) : undefined
    const place = rest === undefined ? undefined : placeIn(layout, rest)
    if (place !== undefined && place.offset + place.bytes <= bytes) return { buffer, ...place }
  }
  throw new Error(`.${path.join('.')}: no such field in that result`)
}

function placeIn(
  layout: Layout,
  path: readonly string[],
): { offset: number; bytes: 1 | 2 | 4 | 8 } | undefined {
  const isIndexed = path.length > 1 && /^\d+$/.test(path[0] ?? '')
  const index = isIndexed ? Number(path[0]) : 0
  const name = path.slice(isIndexed ? 1 : 0).join('.')
  const field = layout.fields.find((candidate) => candidate.name === name)
  if (field === undefined) return undefined
  const { bytes } = field
  if (bytes !== 1 && bytes !== 2 && bytes !== 4 && bytes !== 8) return undefined
  return { offset: index * layout.bytes + field.offset, bytes }
}
