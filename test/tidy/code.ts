// SPDX-License-Identifier: MIT
/** Rules about what stands inside a file. Each returns complaints as `path:line: text`. */
import { childrenOf, isNode, type Node, nodesOf, type SourceFile } from './sources.ts'

export const FUNCTION_LINES_MAX = 70
export const FILE_LINES_MAX = 400

/** Names of the surroundings that the core must get injected: time, chance, output, timers. */
const BANNED_GLOBALS = new Set([
  'Buffer',
  'Date',
  'clearTimeout',
  'console',
  'document',
  'fetch',
  'global',
  'navigator',
  'performance',
  'process',
  'queueMicrotask',
  'require',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'window',
])

export function bannedInCore(file: SourceFile): string[] {
  const bound = boundNames(file.program)
  const complaints = file.imports
    .filter(({ target }) => target === undefined)
    .map(({ specifier, line }) => `${file.path}:${line}: the core imports ${specifier}`)
  for (const node of freeReferences(file.program)) {
    const name = String(node['name'])
    if (!BANNED_GLOBALS.has(name) || bound.has(name)) continue
    complaints.push(`${file.path}:${file.lineOf(node.start)}: the core uses ${name}`)
  }
  for (const node of nodesOf(file.program)) {
    if (!isMember(node, 'Math', 'random')) continue
    complaints.push(`${file.path}:${file.lineOf(node.start)}: the core uses Math.random`)
  }
  return complaints
}

function isMember(node: Node, object: string, property: string): boolean {
  if (node.type !== 'MemberExpression') return false
  const [left, right] = childrenOf(node)
  return left?.['name'] === object && (right?.['name'] === property || right?.['value'] === property)
}

/** Identifiers that stand for a variable: not property names, not keys, not labels, not types. */
function* freeReferences(root: Node): Iterable<Node> {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.type === 'Identifier') yield node
    if (node.type.startsWith('TS') && !HOLDS_CODE.has(node.type)) continue
    const skipped = namePosition(node)
    stack.push(...childrenOf(node).filter((child) => child !== skipped))
  }
}

const HOLDS_CODE = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSParameterProperty',
])

function namePosition(node: Node): unknown {
  if (node['computed'] === true) return undefined
  if (node.type === 'MemberExpression') return node['property']
  const isKeyed = ['Property', 'PropertyDefinition', 'MethodDefinition', 'AccessorProperty'].includes(
    node.type,
  )
  return isKeyed && node['shorthand'] !== true ? node['key'] : undefined
}

/** Names that the file declares itself, as import, variable, parameter, function or class. */
function boundNames(program: Node): Set<string> {
  const names = new Set<string>()
  const bind = (pattern: unknown): void => {
    if (!isNode(pattern)) return
    for (const node of nodesOf(pattern)) if (node.type === 'Identifier') names.add(String(node['name']))
  }
  for (const node of nodesOf(program)) {
    if (
      node.type === 'VariableDeclarator' ||
      node.type === 'FunctionDeclaration' ||
      node.type === 'ClassDeclaration'
    ) {
      bind(node['id'])
    }
    if (node.type.startsWith('Import')) bind(node['local'])
    if (isFunction(node)) for (const parameter of paramsOf(node)) bind(parameter)
  }
  return names
}

function paramsOf(node: Node): readonly unknown[] {
  const { params } = node
  return Array.isArray(params) ? params : []
}

function isFunction(node: Node): boolean {
  return ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(node.type)
}

export function longFunctions(file: SourceFile): string[] {
  const exempt = new Set(file.isTest ? describeCallbacks(file.program) : [])
  return [...nodesOf(file.program)].flatMap((node) => {
    if (!isFunction(node) || exempt.has(node)) return []
    const lines = file.lineOf(node.end) - file.lineOf(node.start) + 1
    if (lines <= FUNCTION_LINES_MAX) return []
    return [`${file.path}:${file.lineOf(node.start)}: a function of ${lines} lines`]
  })
}

/** A `describe` only groups tests; its callback may be long. */
function describeCallbacks(program: Node): Node[] {
  return [...nodesOf(program)].flatMap((node) => {
    if (node.type !== 'CallExpression') return []
    const [callee, ...rest] = childrenOf(node)
    const names = callee === undefined ? [] : [...nodesOf(callee)].map((part) => part['name'])
    return names.includes('describe') ? rest.filter(isFunction) : []
  })
}

export function longFile(file: SourceFile): string[] {
  const lines = file.text.split('\n').length - 1
  return lines <= FILE_LINES_MAX ? [] : [`${file.path}: ${lines} lines`]
}

export function missingLicence(file: SourceFile): string[] {
  const lines = file.text.split('\n', 2)
  const first = lines[0]?.startsWith('#!') === true ? lines[1] : lines[0]
  return first === '// SPDX-License-Identifier: MIT' ? [] : [`${file.path}: no SPDX line on top`]
}

/** Spelled so that this file does not find itself. */
const UNFINISHED =
  /\b(?:TO[D]O|FIX[M]E|XX[X])\b|@ts-[i]gnore|@ts-[n]ocheck|(?:oxlint|eslint|biome)-(?:[d]isable|[i]gnore)/

export function unfinishedWork(file: SourceFile): string[] {
  return file.text.split('\n').flatMap((line, index) => {
    const found = UNFINISHED.exec(line)
    return found === null ? [] : [`${file.path}:${index + 1}: ${found[0]}`]
  })
}

/** `as any`, and tests that are switched off or that switch off others. */
export function shortcuts(file: SourceFile): string[] {
  return [...nodesOf(file.program)].flatMap((node) => {
    const line = `${file.path}:${file.lineOf(node.start)}`
    const isAny =
      node.type === 'TSAsExpression' && childrenOf(node).some((child) => child.type === 'TSAnyKeyword')
    if (isAny) return [`${line}: as any`]
    const switched = ['it', 'test', 'describe'].flatMap((name) =>
      ['only', 'skip', 'todo']
        .filter((way) => isMember(node, name, way))
        .map((way) => `${line}: ${name}.${way}`),
    )
    return file.isTest ? switched : []
  })
}
