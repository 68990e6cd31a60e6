// SPDX-License-Identifier: MIT
/** Classic BPF as seccomp(2) takes it: instructions with labels, and their bytes. */
import { assert } from '../../base/assert.ts'

/** `load`: a word of seccomp_data; `keep`: the accumulator to X; `minusX`: subtracts X. */
const CODES = {
  load: 0x20,
  jumpEqual: 0x15,
  jumpGreaterEqual: 0x35,
  and: 0x54,
  divide: 0x34,
  multiply: 0x24,
  keep: 0x07,
  minusX: 0x1c,
  return: 0x06,
} as const

export type Operation = keyof typeof CODES

export interface Instruction {
  readonly operation: Operation
  readonly value: number
  /** Label to go to when the comparison holds, or not; `undefined`: the next instruction. */
  readonly yes?: string | undefined
  readonly no?: string | undefined
}

/** A label is a place in front of the next instruction. */
export type Line = Instruction | string

const INSTRUCTION_BYTES = 8

/** Most instructions that the kernel takes (BPF_MAXINSNS). */
const INSTRUCTIONS_MAX = 4096

export function load(offset: number): Instruction {
  return { operation: 'load', value: offset }
}

export function whenEqual(value: number, yes?: string, no?: string): Instruction {
  return { operation: 'jumpEqual', value, yes, no }
}

export function whenAtLeast(value: number, yes?: string, no?: string): Instruction {
  return { operation: 'jumpGreaterEqual', value, yes, no }
}

export function compute(
  operation: 'and' | 'divide' | 'multiply' | 'keep' | 'minusX',
  value = 0,
): Instruction {
  return { operation, value }
}

export function give(value: number): Instruction {
  return { operation: 'return', value }
}

/** The bytes of an array of struct sock_filter. */
export function assemble(lines: readonly Line[]): Uint8Array {
  const places = new Map<string, number>()
  const instructions: Instruction[] = []
  for (const line of lines) {
    if (typeof line === 'string') places.set(line, instructions.length)
    else instructions.push(line)
  }
  assert(instructions.length <= INSTRUCTIONS_MAX, `a filter of ${instructions.length} instructions`)
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  instructions.forEach(({ operation, value, yes, no }, index) => {
    const at = index * INSTRUCTION_BYTES
    view.setUint16(at, CODES[operation], true)
    view.setUint8(at + 2, distance(places, yes, index))
    view.setUint8(at + 3, distance(places, no, index))
    view.setUint32(at + 4, value >>> 0, true)
  })
  return bytes
}

/** Instructions to jump over. */
function distance(places: ReadonlyMap<string, number>, label: string | undefined, from: number): number {
  if (label === undefined) return 0
  const to = places.get(label)
  assert(to !== undefined, `no label ${label}`)
  const over = to - from - 1
  assert(over >= 0 && over <= 255, `label ${label} is ${over} instructions away`)
  return over
}
