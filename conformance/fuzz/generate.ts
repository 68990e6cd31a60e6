// SPDX-License-Identifier: MIT
import { FIRST_PROCESS } from '../format/encode.ts'
import type { Case } from '../format/parse.ts'
import type { FieldValue, OperationSpec } from '../format/schema.ts'
import { profileNamed, type ProfileName } from './profiles.ts'
import { Random } from './random.ts'
import { FuzzState, HOSTILE_ADDRESSES, HOSTILE_NUMBERS, type Step } from './state.ts'

/** Pages of 2 MiB that the machine of a random program has. */
export const FUZZ_HUGE_PAGES = 16

export interface FuzzOptions {
  readonly profile: ProfileName
  readonly extended: boolean
  /** Steps a program. */
  readonly steps: number
}

type OperationName = Extract<OperationSpec, { kind: 'ioctl' }>['ioctl']

/** A random program: one seed, one program. */
export function generateSteps(seed: number, { profile, extended, steps }: FuzzOptions): readonly Step[] {
  const random = new Random(seed)
  const { start, steps: weights, singlePages = false } = profileNamed(profile, extended)
  const state = new FuzzState(random, { extended, hugePages: true, singlePages })
  for (const make of start) make(state)
  for (let made = 0; made < steps; made++) {
    wander(state)
    random.weighted(weights)(state)
  }
  return state.steps.map((step) => step.map((operation) => disturbed(operation, random)))
}

/** Now and then the next operation comes from another process, or goes to another context. */
function wander(state: FuzzState): void {
  const { random } = state
  if (random.oneIn(12)) state.process = random.pick(state.processes)
  else if (random.oneIn(4)) state.process = FIRST_PROCESS
  if (random.oneIn(12) && state.contexts.length > 0) state.context = random.pick(state.contexts)
}

/** PASIDs are counted, what a vIOMMU leaves in its data is used later, and files are chosen with care. */
const KEPT: ReadonlySet<string> = new Set(['pasid', 'data_uptr', 'fd'])

/** A few ioctls get a wrong field, size or pointer. What destroys or detaches, and the number of a test operation, stay. */
function disturbed(operation: OperationSpec, random: Random): OperationSpec {
  if (operation.kind !== 'ioctl' && operation.kind !== 'test') return operation
  const { fields } = operation
  if (fields === undefined || !random.oneIn(45)) return operation
  if (operation.kind === 'ioctl' && operation.ioctl === 'IOMMU_DESTROY') return operation
  if (operation.kind === 'test' && operation.test === 'PASID_DETACH') return operation
  const sized = random.oneIn(4)
  if (sized && operation.kind === 'ioctl')
    return { ...operation, fields: { ...fields, ...wrongSize(operation.ioctl, random) } }
  if (random.oneIn(6)) return { ...operation, tail: random.oneIn(2) ? '00000000' : '00010000' }
  if (random.oneIn(8)) return { ...operation, at: random.pick(HOSTILE_ADDRESSES) }
  const names = Object.keys(fields).filter((name) => !KEPT.has(name))
  if (names.length === 0) return operation
  return { ...operation, fields: { ...fields, [random.pick(names)]: random.pick(HOSTILE_NUMBERS) } }
}

function wrongSize(ioctl: OperationName, random: Random): Record<string, FieldValue> {
  const field = String(ioctl).startsWith('VFIO_IOMMU_') ? 'argsz' : 'size'
  if (!/^(?:IOMMU|VFIO_IOMMU)_/.test(String(ioctl))) return {}
  return { [field]: random.oneIn(5) ? random.pick(HOSTILE_NUMBERS) : BigInt(random.below(90)) }
}

/** As if it had been read from a file. */
export function caseOfSteps(title: string, steps: readonly Step[], extended: boolean): Case {
  return {
    file: title,
    title,
    spec: [],
    kernel: extended ? 'ext' : 'plain',
    machine: {},
    operations: steps.flat().map((spec) => ({ spec, line: 0, column: 0 })),
  }
}
