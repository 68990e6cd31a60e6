// SPDX-License-Identifier: MIT
/** Where a path of the document stands in its text: `file:line:col`. Loads yaml: import it lazily. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Pair } from 'yaml'

export type Path = readonly (string | number)[]

export interface Place {
  /** In characters, for sorting. */
  readonly offset: number
  /** `file:line:col`, or the `--set` argument that gave the value. */
  readonly text: string
}

export class Places {
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter
  /** Argument of `--set` by dotted path, for values that no longer stand in the file. */
  readonly #replaced: Map<string, string> = new Map<string, string>()

  constructor(file: string, document: Document, lines: LineCounter) {
    this.#file = file
    this.#document = document
    this.#lines = lines
  }

  /** From now on problems at or below `path` are placed at the `--set` argument. */
  replace(path: Path, argument: string): void {
    this.#replaced.set(path.join('.'), argument)
  }

  /** `--set` argument that gave the value at `path`, if one did. */
  replacedBy(path: Path): string | undefined {
    for (let length = path.length; length > 0; length--) {
      const argument = this.#replaced.get(path.slice(0, length).join('.'))
      if (argument !== undefined) return argument
    }
    return undefined
  }

  /** Place of the value at `path` (or of the key that ends it), or of the nearest ancestor that is there. */
  of(path: Path, atKey = false): Place {
    const { offset, isThere } = this.#find(path, atKey)
    const argument = this.replacedBy(path) ?? (isThere ? undefined : this.#madeBy(path))
    return { offset, text: argument ?? this.at(offset) }
  }

  /** `--set` argument that made the parts below `path`. */
  #madeBy(path: Path): string | undefined {
    const prefix = `${path.join('.')}.`
    for (const [key, argument] of this.#replaced) if (key.startsWith(prefix)) return argument
    return undefined
  }

  at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#file}:${Math.max(1, line)}:${Math.max(1, col)}`
  }

  #find(path: Path, atKey: boolean): { offset: number; isThere: boolean } {
    let node = resolveAlias(this.#document.contents, this.#document)
    let offset = startOf(node) ?? 0
    for (const [depth, step] of path.entries()) {
      const isLast = depth === path.length - 1
      const pair = isMap(node) ? findPair(node.items, step) : undefined
      const child = pair === undefined ? (isSeq(node) ? node.items[Number(step)] : undefined) : pair.value
      if (pair === undefined && child === undefined) return { offset, isThere: false }
      const keyOffset = pair === undefined ? undefined : startOf(pair.key)
      const valueOffset = startOf(child)
      offset = (isLast && atKey ? keyOffset : valueOffset) ?? keyOffset ?? valueOffset ?? offset
      node = resolveAlias(child, this.#document)
    }
    return { offset, isThere: true }
  }
}

function findPair(items: readonly Pair[], step: string | number): Pair | undefined {
  return items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(step))
}

function resolveAlias(node: unknown, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}
