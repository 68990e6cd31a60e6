// SPDX-License-Identifier: MIT
import type { Operation, Patch, Program, ProgramResult } from './program.ts'

/** What earlier operations left: returned values, and bytes of buffers. */
export interface Earlier {
  returned(operation: number): bigint
  bytes(operation: number, buffer: number): Uint8Array
}

/** The number that a patch puts. */
export function patchValue({ operation, from, plus }: Patch, earlier: Earlier): bigint {
  if (from === 'returned') return earlier.returned(operation) + plus
  const bytes = earlier.bytes(operation, from.buffer)
  let value = 0n
  for (let i = from.bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from.offset + i] ?? 0)
  return value + plus
}

/** An operation with its patches applied: arguments and the bytes of its buffers, ready to use. */
export function patched(
  operation: Operation,
  earlier: Earlier,
): { readonly arguments: readonly bigint[]; readonly buffers: readonly Uint8Array[] } {
  const args = [...operation.arguments]
  const buffers = operation.buffers.map(({ bytes }) => Uint8Array.from(bytes))
  for (const patch of operation.patches) {
    const value = BigInt.asUintN(64, patchValue(patch, earlier))
    if ('argument' in patch.into) args[patch.into.argument] = value
    else putNumber(buffers[patch.into.buffer], patch.into.offset, patch.into.bytes, value)
  }
  return { arguments: args, buffers }
}

function putNumber(bytes: Uint8Array | undefined, offset: number, width: number, value: bigint): void {
  if (bytes === undefined) return
  for (let i = 0; i < width; i++) bytes[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn)
}

/** The bytes of every buffer after its operation. */
export function contentsOf(program: Program, result: ProgramResult): Uint8Array[][] {
  const contents: Uint8Array[][] = []
  const earlier: Earlier = {
    returned: (operation) => result.answers[operation]?.returned ?? 0n,
    bytes: (operation, buffer) => contents[operation]?.[buffer] ?? new Uint8Array(),
  }
  result.answers.forEach(({ changed }, index) => {
    const operation = program.operations[index]
    const buffers = operation === undefined ? [] : [...patched(operation, earlier).buffers]
    changed.forEach((runs, buffer) => {
      for (const { offset, bytes } of runs) buffers[buffer]?.set(bytes, offset)
    })
    contents.push(buffers)
  })
  return contents
}
