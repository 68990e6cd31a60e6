// SPDX-License-Identifier: MIT
/** A case file to a checked case; complaints carry line and column. */
import { type Document, isCollection, isNode, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { CASE_HEAD, type CaseHead, KINDS, OPERATION_SPEC, type OperationSpec } from './schema.ts'

export interface Case {
  readonly file: string
  readonly title: string
  readonly spec: readonly string[]
  readonly kernel: 'plain' | 'ext'
  readonly machine: NonNullable<CaseHead['machine']>
  readonly operations: readonly PlacedOperation[]
}

export interface PlacedOperation {
  readonly spec: OperationSpec
  readonly line: number
  readonly column: number
}

/** A mistake in a case file: `file:line:column: message`. */
export class CaseError extends Error {
  constructor(file: string, line: number, column: number, message: string) {
    super(`${file}:${line}:${column}: ${message}`)
  }
}

type Path = readonly (string | number)[]

/** What a file says, and where. */
class Source {
  readonly document: Document
  readonly #file: string
  readonly #lines: LineCounter = new LineCounter()

  constructor(file: string, text: string) {
    this.#file = file
    this.document = parseDocument(text, { intAsBigInt: true, lineCounter: this.#lines, prettyErrors: false })
    const [error] = this.document.errors
    if (error === undefined) return
    const { line, col } = this.#lines.linePos(error.pos[0])
    throw new CaseError(file, line, col, error.message)
  }

  /** Of the node at a path, or of the nearest above it. */
  place(path: Path): { line: number; column: number } {
    for (let length = path.length; length >= 0; length--) {
      const node = this.document.getIn(path.slice(0, length), true)
      const start = isNode(node) ? node.range?.[0] : undefined
      if (start === undefined) continue
      const { line, col } = this.#lines.linePos(start)
      return { line, column: col }
    }
    return { line: 1, column: 1 }
  }

  fail(path: Path, message: string): never {
    const { line, column } = this.place(path)
    throw new CaseError(this.#file, line, column, message)
  }

  /** The value at a path, checked. */
  check<T>(schema: z.ZodType<T>, path: Path, value: unknown): T {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    const [issue] = result.error.issues
    return this.fail([...path, ...pathOf(issue?.path)], `${issue?.path.join('.') ?? ''}: ${issue?.message}`)
  }
}

function pathOf(path: readonly PropertyKey[] | undefined): Path {
  return (path ?? []).map((part) => (typeof part === 'number' ? part : String(part)))
}

export function parseCase(file: string, text: string): Case {
  const source = new Source(file, text)
  const head = source.check(CASE_HEAD, [], source.document.toJS({ maxAliasCount: 0 }))
  const operations = head.operations.map((value, index): PlacedOperation => {
    const path = ['operations', index]
    return { spec: parseOperation(source, path, value), ...source.place(path) }
  })
  return {
    file,
    title: head.title,
    spec: head.spec,
    kernel: head.kernel ?? 'plain',
    machine: head.machine ?? {},
    operations,
  }
}

/** The first key that names a kind says it: `dup2: 3, to: 4`. */
function parseOperation(source: Source, path: Path, value: unknown): OperationSpec {
  const node = source.document.getIn(path, true)
  if (!isCollection(node) || typeof value !== 'object' || value === null) {
    return source.fail(path, 'an operation is a map, for instance { poll: $queue.out_fault_fd }')
  }
  const kind = KINDS.find((candidate) => candidate in value)
  if (kind === undefined) return source.fail(path, `no kind of operation here: one of ${KINDS.join(', ')}`)
  return source.check(OPERATION_SPEC, path, { kind, ...value })
}
