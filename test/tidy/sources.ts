// SPDX-License-Identifier: MIT
/** Every source file of the project, parsed once. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'

export const ROOT: string = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Path from the root of the project; undefined for packages and node: modules. */
  readonly target: string | undefined
  readonly isDynamic: boolean
  readonly line: number
}

export interface SourceFile {
  /** Path from the root of the project. */
  readonly path: string
  readonly text: string
  readonly isTest: boolean
  readonly program: Node
  readonly imports: readonly Import[]
  lineOf(offset: number): number
}

const SUFFIXES = ['.ts', '.mjs']
const FOLDERS = ['src', 'test', 'bench', 'scripts', 'conformance']

export function readSources(folders: readonly string[] = FOLDERS): readonly SourceFile[] {
  return folders.flatMap((folder) => listFiles(folder)).map(readSource)
}

function listFiles(folder: string): string[] {
  const absolute = join(ROOT, folder)
  let entries
  try {
    entries = readdirSync(absolute, { recursive: true, withFileTypes: true })
  } catch {
    return []
  }
  return entries
    .filter((entry) => entry.isFile() && SUFFIXES.some((suffix) => entry.name.endsWith(suffix)))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

function readSource(path: string): SourceFile {
  return parseSource(path, readFileSync(join(ROOT, path), 'utf8'))
}

export function parseSource(path: string, text: string): SourceFile {
  const lineStarts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1)
  const lineOf = (offset: number): number => lineStarts.findLastIndex((start) => start <= offset) + 1
  const result = parseSync(path, text)
  if (result.errors.length > 0) throw new Error(`${path}: ${result.errors[0]?.message}`)
  const program: unknown = result.program
  if (!isNode(program)) throw new Error(`${path}: no program`)
  const imports = [...importsOf(path, program, lineOf)]
  return { path, text, isTest: /\.(test|suite)\.ts$/.test(path), program, imports, lineOf }
}

const SPECIFIER_HOLDERS = new Set([
  'ImportDeclaration',
  'ExportAllDeclaration',
  'ExportNamedDeclaration',
  'ImportExpression',
  'TSImportType',
])

/** Imports, exports from, dynamic imports and import types: everything that ties one file to another. */
function* importsOf(path: string, program: Node, lineOf: (offset: number) => number): Iterable<Import> {
  for (const node of nodesOf(program)) {
    if (!SPECIFIER_HOLDERS.has(node.type)) continue
    const specifier = literalOf(node['source'] ?? node['argument'])
    if (specifier === undefined) continue
    const target = specifier.startsWith('.') ? join(dirname(path), specifier) : undefined
    yield { specifier, target, isDynamic: node.type === 'ImportExpression', line: lineOf(node.start) }
  }
}

function literalOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined
  if (value.type === 'TSLiteralType') return literalOf(value['literal'])
  return typeof value['value'] === 'string' ? value['value'] : undefined
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** The node and everything below it, parents first. */
export function* nodesOf(root: Node): Iterable<Node> {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    yield node
    stack.push(...childrenOf(node).toReversed())
  }
}

export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  )
}
