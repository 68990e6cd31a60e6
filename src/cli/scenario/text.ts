// SPDX-License-Identifier: MIT
/** From a file to a YAML document: every limit that keeps a hostile file cheap stands here. Loads yaml. */
import { closeSync, openSync, readSync } from 'node:fs'
import {
  type Document,
  isAlias,
  isCollection,
  isPair,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { CliError, EXIT_INPUT, explainFileError } from '../exit.ts'
import { formatBytes } from './quantity.ts'

export const SCENARIO_BYTES_MAX: number = 256 * 1024
const TOKENS_MAX = 20_000
const FLOW_DEPTH_MAX = 32
const INDICATORS_ON_A_LINE_MAX = 16
const INDENT_MAX = 256
const ALIASES_MAX = 100

export interface ScenarioText {
  readonly document: Document
  readonly lines: LineCounter
}

/** Reads and parses; throws CliError with `file:line:col` for whatever is not one acyclic YAML document. */
export function readScenarioText(file: string): ScenarioText {
  return parseScenarioText(file, decode(file, readBounded(file)))
}

export function parseScenarioText(file: string, text: string): ScenarioText {
  const lines = new LineCounter()
  for (let at = -1; ; ) {
    lines.addNewLine(at + 1)
    at = text.indexOf('\n', at + 1)
    if (at < 0) break
  }
  const fail = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset)
    throw new CliError(EXIT_INPUT, `${file}:${line}:${col}: ${message}`)
  }
  checkShape(text, fail)
  const document = parseDocument(text, { prettyErrors: false, strict: true, stringKeys: true, merge: true })
  const broken = document.errors[0] ?? document.warnings[0]
  if (broken !== undefined) fail(broken.pos[0], `not valid YAML: ${broken.message}`)
  if (document.contents === null)
    fail(0, 'got an empty document, expected a scenario (a mapping with name and workload)')
  checkAliases(document, fail)
  return { document, lines }
}

type Fail = (offset: number, message: string) => never

function readBounded(file: string): Uint8Array {
  const buffer = new Uint8Array(SCENARIO_BYTES_MAX + 1)
  let length = 0
  try {
    const fd = openSync(file, 'r')
    try {
      while (length < buffer.length) {
        const bytes = readSync(fd, buffer, length, buffer.length - length, null)
        if (bytes === 0) break
        length += bytes
      }
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw new CliError(
      EXIT_INPUT,
      `${file}: cannot read the scenario: ${explainFileError(error)}; expected a YAML file`,
    )
  }
  if (length > SCENARIO_BYTES_MAX) {
    const limit = formatBytes(SCENARIO_BYTES_MAX)
    throw new CliError(EXIT_INPUT, `${file}: got more than ${limit}, expected a scenario of at most ${limit}`)
  }
  return buffer.subarray(0, length)
}

function decode(file: string, bytes: Uint8Array): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new CliError(EXIT_INPUT, `${file}: got bytes that are not UTF-8, expected a YAML text`)
  }
  const at = controlCharacterAt(text)
  if (at < 0) return text
  const code = text.charCodeAt(at).toString(16).padStart(2, '0')
  throw new CliError(EXIT_INPUT, `${file}: got byte 0x${code} at offset ${at}, expected a YAML text`)
}

/** Offset of the first character that no text has, or -1: tab, line feed, form feed and carriage return are text. */
function controlCharacterAt(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 9 || (code > 13 && code < 32)) return at
  }
  return -1
}

/** Bounds tokens and depth before the recursive parser runs: deep nesting would end the process. */
function checkShape(text: string, fail: Fail): void {
  let tokens = 0
  let flowDepth = 0
  let indicators = 0
  let offset = 0
  for (const token of new Lexer().lex(text)) {
    const first = token[0]
    if (++tokens > TOKENS_MAX) fail(offset, `expected a scenario of at most ${TOKENS_MAX} YAML tokens`)
    if (first === '\n') indicators = 0
    else if (token === '[' || token === '{') flowDepth++
    else if (token === ']' || token === '}') flowDepth--
    else if (token === '-' || token === '?') indicators++
    else if (first === ' ' && token.length > INDENT_MAX)
      fail(offset, `expected at most ${INDENT_MAX} spaces in a row`)
    if (flowDepth > FLOW_DEPTH_MAX || indicators > INDICATORS_ON_A_LINE_MAX) fail(offset, 'nested too deep')
    if (!isLexerMark(token)) offset += token.length
  }
}

/** Zero-width tokens of the lexer: byte order mark, document mode, flow error, scalar. */
function isLexerMark(token: string): boolean {
  return token.length === 1 && '\u0002\u0018\u001f'.includes(token)
}

function checkAliases(document: Document, fail: Fail): void {
  let count = 0
  visit(document, {
    Alias(_key, alias, ancestors) {
      if (++count > ALIASES_MAX) fail(startOf(alias), `expected at most ${ALIASES_MAX} aliases`)
      const target = alias.resolve(document)
      if (target === undefined) fail(startOf(alias), `alias *${alias.source} names no anchor before it`)
      else if (ancestors.includes(target)) fail(startOf(alias), `alias *${alias.source} contains itself`)
    },
  })
  const size = expandedSize(document.contents, document, new Map())
  if (size > TOKENS_MAX) fail(0, `expected at most ${TOKENS_MAX} values after expanding aliases`)
}

/** Values that the document has once every alias is replaced by what it names. */
function expandedSize(node: unknown, document: Document, known: Map<unknown, number>): number {
  if (isAlias(node)) return expandedSize(node.resolve(document), document, known)
  const before = known.get(node)
  if (before !== undefined) return before
  let size = 1
  if (isCollection(node)) {
    for (const item of node.items) size += expandedSize(isPair(item) ? item.value : item, document, known)
  }
  known.set(node, size)
  return size
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0
}
