// SPDX-License-Identifier: MIT
/** Programs and results as bytes, for `kernel/replay.c`. */
import type { Answer, Operation, Patch, Program, ProgramResult, Run } from './program.ts'
import { ARGUMENTS, OPERATION } from './program.ts'

const HEADER_BYTES = 16 + 8 * ARGUMENTS
const BUFFER_BYTES = 16
const PATCH_BYTES = 32
const RETURNED = 0xffff
const ARGUMENT = 0xffff

/** Why a program ended early, as `replay.c` says it; smaller numbers are signals. */
const ENDS: Readonly<Record<number, string>> = {
  253: 'the turn went to a process that is gone',
  254: 'it took too long',
  255: 'a process exited by itself',
}

export function encodeProgram(program: Program): Uint8Array {
  const sizes = program.operations.map(operationBytes)
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  program.operations.forEach((operation, index) => {
    const size = sizes[index] ?? 0
    encodeOperation(operation, size, bytes, view, at)
    at += size
  })
  return bytes
}

function operationBytes({ buffers, patches }: Operation): number {
  const data = buffers.reduce((sum, { bytes }) => sum + BUFFER_BYTES + padded(bytes.length), 0)
  return HEADER_BYTES + data + PATCH_BYTES * patches.length
}

function padded(length: number): number {
  return (length + 7) & ~7
}

function encodeOperation(
  operation: Operation,
  size: number,
  bytes: Uint8Array,
  view: DataView,
  start: number,
): void {
  view.setUint32(start, size, true)
  view.setUint8(start + 4, operation.code)
  view.setUint8(start + 5, operation.role)
  view.setUint16(start + 6, operation.buffers.length, true)
  view.setUint16(start + 8, operation.patches.length, true)
  view.setUint16(start + 10, operation.failNth, true)
  operation.arguments.forEach((value, index) =>
    view.setBigUint64(start + 16 + 8 * index, BigInt.asUintN(64, value), true),
  )
  let at = start + HEADER_BYTES
  for (const buffer of operation.buffers) {
    view.setBigUint64(at, buffer.address, true)
    view.setUint32(at + 8, buffer.bytes.length, true)
    view.setUint32(at + 12, buffer.isScratch ? 1 : 0, true)
    bytes.set(buffer.bytes, at + BUFFER_BYTES)
    at += BUFFER_BYTES + padded(buffer.bytes.length)
  }
  for (const patch of operation.patches) {
    encodePatch(patch, view, at)
    at += PATCH_BYTES
  }
}

/** struct patch: u32 operation, fromOffset, intoOffset; u16 from, into; u8 fromWidth, intoWidth; s64 plus at 24. */
function encodePatch({ into, operation, from, plus }: Patch, view: DataView, at: number): void {
  const isArgument = 'argument' in into
  const isReturned = from === 'returned'
  view.setUint32(at, operation, true)
  view.setUint32(at + 4, isReturned ? 0 : from.offset, true)
  view.setUint32(at + 8, isArgument ? into.argument : into.offset, true)
  view.setUint16(at + 12, isReturned ? RETURNED : from.buffer, true)
  view.setUint16(at + 14, isArgument ? ARGUMENT : into.buffer, true)
  view.setUint8(at + 16, isReturned ? 8 : from.bytes)
  view.setUint8(at + 17, isArgument ? 8 : into.bytes)
  view.setBigInt64(at + 24, plus, true)
}

export function decodeResult(bytes: Uint8Array): ProgramResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ended = view.getUint32(0, true)
  const done = view.getUint32(4, true)
  const answers: Answer[] = []
  const place = { at: 12 }
  for (let i = 0; i < done; i++) answers.push(decodeAnswer(bytes, view, place))
  if (ended === 0) return { answers, ended: undefined }
  return { answers, ended: { why: ENDS[ended] ?? `killed by signal ${ended}`, operation: done } }
}

function decodeAnswer(bytes: Uint8Array, view: DataView, place: { at: number }): Answer {
  const returned = view.getBigInt64(place.at, true)
  const buffers = view.getUint32(place.at + 8, true)
  place.at += 12
  const changed: Run[][] = []
  for (let i = 0; i < buffers; i++) changed.push(decodeRuns(bytes, view, place))
  return { returned, changed }
}

function decodeRuns(bytes: Uint8Array, view: DataView, place: { at: number }): Run[] {
  const count = view.getUint32(place.at, true)
  place.at += 4
  const runs: Run[] = []
  for (let i = 0; i < count; i++) {
    const offset = view.getUint32(place.at, true)
    const length = view.getUint32(place.at + 4, true)
    runs.push({ offset, bytes: bytes.slice(place.at + 8, place.at + 8 + length) })
    place.at += 8 + length
  }
  return runs
}

/** Whether the answers of an operation tell about its buffers. */
export function tellsBuffers(operation: Operation): boolean {
  return operation.code !== OPERATION.poke
}
