// SPDX-License-Identifier: MIT
/** A divergence made small: steps, then operations, then fields are left out as long as both sides still part in the same way. */
import { encodeCase } from '../format/encode.ts'
import { CaseError } from '../format/parse.ts'
import type { OperationSpec } from '../format/schema.ts'
import type { BothSides, Divergence } from './both-sides.ts'
import { caseOfSteps } from './generate.ts'
import type { Step } from './state.ts'

type Steps = readonly Step[]

const ROUNDS_MAX = 60

export async function shrink(sides: BothSides, divergence: Divergence): Promise<Divergence> {
  const whole = await reduce(sides, await truncated(sides, divergence), withoutSteps)
  const single = whole.steps.flatMap((step) => step.map((operation): Step => [operation]))
  const byOperation = await reduce(sides, { ...whole, steps: single }, withoutSteps)
  const simple = await reduce(sides, byOperation, withoutFields)
  return reduce(sides, simple, withoutSteps)
}

/** Nothing after the operation that differs matters. */
async function truncated(sides: BothSides, divergence: Divergence): Promise<Divergence> {
  let [low, high] = [1, divergence.steps.length]
  let best = divergence
  while (low < high) {
    const middle = (low + high) >> 1
    const found = await firstAlike(sides, divergence.signature, [divergence.steps.slice(0, middle)])
    if (found === undefined) low = middle + 1
    else [best, high] = [found, middle]
  }
  return best
}

/** Takes the first smaller program that still diverges alike, until there is none. */
async function reduce(
  sides: BothSides,
  divergence: Divergence,
  smaller: (steps: Steps, parts: number) => readonly Steps[],
): Promise<Divergence> {
  let best = divergence
  let parts = 2
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const found = await firstAlike(sides, divergence.signature, smaller(best.steps, parts))
    if (found !== undefined) {
      best = found
      parts = Math.max(2, parts - 1)
    } else if (parts >= countOf(best.steps)) break
    else parts = Math.min(countOf(best.steps), parts * 2)
  }
  return best
}

function countOf(steps: Steps): number {
  return Math.max(2, steps.length)
}

async function firstAlike(
  sides: BothSides,
  signature: string,
  candidates: readonly Steps[],
): Promise<Divergence | undefined> {
  const sound = candidates.filter(isSound)
  if (sound.length === 0) return undefined
  const { divergences } = await sides.run(sound)
  return divergences.find((found) => found?.signature === signature)
}

/** Whether what is left can still be said. */
function isSound(steps: Steps): boolean {
  try {
    encodeCase(caseOfSteps('smaller', steps, true))
    return true
  } catch (error) {
    if (error instanceof CaseError) return false
    throw error
  }
}

/** The program without one of its parts, and without what then refers to nothing. */
function withoutSteps(steps: Steps, parts: number): Steps[] {
  const size = Math.max(1, Math.ceil(steps.length / parts))
  const candidates: Steps[] = []
  for (let start = 0; start < steps.length; start += size) {
    const kept = closed([...steps.slice(0, start), ...steps.slice(start + size)])
    if (kept.length > 0 && kept.length < steps.length) candidates.push(kept)
  }
  return candidates
}

/** Drops operations whose references or processes are gone. */
function closed(steps: Steps): Steps {
  const names = new Set<string>()
  const processes = new Set<string>(['main'])
  return steps.flatMap((step): Step[] => {
    const kept = step.filter((operation) => {
      const { in: process = 'main' } = operation
      const to = operation.kind === 'send' ? operation.to : 'main'
      if (!processes.has(process) || !processes.has(to)) return false
      if (!referencesOf(operation).every((name) => names.has(name))) return false
      if (operation.as !== undefined) names.add(operation.as)
      if (operation.kind === 'fork') processes.add(operation.fork)
      if (operation.kind === 'exit') processes.delete(process)
      return true
    })
    return kept.length > 0 ? [kept] : []
  })
}

export function referencesOf(operation: unknown): string[] {
  if (typeof operation === 'string') {
    const name = /^\$(\w+)/.exec(operation)?.[1]
    return name === undefined ? [] : [name]
  }
  if (typeof operation !== 'object' || operation === null) return []
  return Object.values(operation).flatMap(referencesOf)
}

/** Each field, or other option, left out once. */
function withoutFields(steps: Steps): Steps[] {
  return steps.flatMap((step, at) =>
    step.flatMap((operation, index) =>
      simpler(operation).map((simple) => steps.with(at, step.with(index, simple))),
    ),
  )
}

const OPTIONS = ['tail', 'at', 'count', 'in', 'on'] as const

function simpler(operation: OperationSpec): OperationSpec[] {
  const options = OPTIONS.filter(
    (name) => name in operation && !(name === 'count' && operation.kind === 'read'),
  )
  const less = options.map((name) => without(operation, name))
  if (operation.kind !== 'ioctl' && operation.kind !== 'test') return less
  const { fields } = operation
  if (fields === undefined) return less
  const fewer = Object.keys(fields).map(
    (name): OperationSpec => ({ ...operation, fields: without(fields, name) }),
  )
  return [...less, ...fewer]
}

function without<T extends object>(value: T, name: string): T {
  const copy = { ...value }
  Reflect.deleteProperty(copy, name)
  return copy
}
