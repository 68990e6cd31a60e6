// SPDX-License-Identifier: MIT
/** Turns zod's issues into one line each: `file:line:col: path: got X, expected Y`. */
import type { core } from 'zod'
import { didYouMean } from '../suggest.ts'
import type { Path, Places } from './place.ts'

type Issue = core.$ZodIssue

export interface Problem {
  readonly path: Path
  /** The key itself is wrong, not its value. */
  readonly atKey: boolean
  readonly got: string
  readonly expected: string
}

const PROBLEMS_SHOWN_MAX = 20

export function explainIssues(issues: readonly Issue[], input: unknown, keysAt: KeysAt): readonly Problem[] {
  const problems = new Map<string, Problem>()
  for (const issue of issues) {
    for (const problem of explainIssue(issue, input, [], keysAt))
      problems.set(formatPath(problem.path), problem)
  }
  const paths = [...problems.keys()]
  return [...problems.values()].filter(
    ({ path }) => !paths.some((other) => other.startsWith(`${formatPath(path)}.`)),
  )
}

/** Names that the schema knows below a path, for "did you mean". */
export type KeysAt = (path: Path) => readonly string[]

export function renderProblems(problems: readonly Problem[], places: Places): string {
  const placed = problems.map((problem) => ({ problem, place: places.of(problem.path, problem.atKey) }))
  placed.sort((a, b) => a.place.offset - b.place.offset)
  const lines = placed.slice(0, PROBLEMS_SHOWN_MAX).map(({ problem, place }) => {
    return `${place.text}: ${formatPath(problem.path)}: got ${problem.got}, expected ${problem.expected}`
  })
  const hidden = problems.length - lines.length
  if (hidden > 0) lines.push(`and ${hidden} more`)
  return lines.join('\n')
}

export function formatPath(path: Path): string {
  return path.length === 0 ? 'the document' : path.join('.')
}

function explainIssue(issue: Issue, input: unknown, base: Path, keysAt: KeysAt): Problem[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, keysAt))
  if (issue.code === 'invalid_union') {
    const branch = bestBranch(issue.errors)
    if (branch !== undefined) return branch.flatMap((inner) => explainIssue(inner, input, path, keysAt))
  }
  const value = valueAt(input, path)
  const got = value === undefined ? 'nothing' : showValue(value)
  return [{ path, atKey: false, got, expected: expectation(issue, value) }]
}

/** The one alternative that the value was meant to be: its problems lie inside the value, not at the value. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((issues) => issues.some((issue) => isInside(issue)))
  return inside.length === 1 ? inside[0] : undefined
}

function isInside(issue: Issue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys'
}

function unknownKey(parent: Path, key: string, keysAt: KeysAt): Problem {
  const keys = keysAt(parent)
  const expected = `one of ${keys.join(', ')}${didYouMean(key, keys)}`
  return { path: [...parent, key], atKey: true, got: `unknown key ${JSON.stringify(shorten(key))}`, expected }
}

function expectation(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'custom':
      return String(issue.params?.['expected'] ?? issue.message)
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? issue.expected
    case 'invalid_value':
      return choice(issue.values.map(String), value)
    case 'too_small':
      return bound(issue.origin, 'at least', Number(issue.minimum))
    case 'too_big':
      return bound(issue.origin, 'at most', Number(issue.maximum))
    case 'invalid_format':
      return 'a name of at most 64 letters, digits, ".", "_" and "-" that begins with a letter'
    case 'invalid_union':
      return unionExpectation(issue.errors, value)
    default:
      return issue.message
  }
}

function unionExpectation(branches: readonly (readonly Issue[])[], value: unknown): string {
  const alternatives = branches.flatMap((issues) =>
    issues.slice(0, 1).map((issue) => expectation(issue, value)),
  )
  return [...new Set(alternatives)].join(', or ')
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function choice(values: readonly string[], value: unknown): string {
  const hint = typeof value === 'string' ? didYouMean(value, values) : ''
  return values.length === 1 ? `${values[0]}${hint}` : `one of ${values.join(', ')}${hint}`
}

const UNITS: Readonly<Record<string, string>> = { array: ' entries', string: ' characters' }

function bound(origin: string, side: string, limit: number): string {
  if (origin === 'string' && limit === 1) return 'a text that is not empty'
  return `${side} ${limit}${UNITS[origin] ?? ''}`
}

/** Short and on one line, as JSON writes it. */
export function showValue(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(shorten(value)) : String(value)
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = Reflect.get(value, step)
  }
  return value
}
