// SPDX-License-Identifier: MIT
/** `--set path=value`: edits the parsed document before it is validated. Loads yaml. */
import { CliError, EXIT_INPUT, EXIT_USAGE } from '../exit.ts'
import type { Path } from './place.ts'
import { formatPath, showValue } from './problems.ts'
import { parseScenarioText } from './text.ts'

export interface Setting {
  readonly path: Path
  readonly value: unknown
  /** As it is shown in messages: `--set workload.chunk=4KiB`. */
  readonly argument: string
}

const SET_BYTES_MAX = 64 * 1024

/** Throws CliError (usage) where `text` is not `dotted.path=value`. */
export function parseSetting(text: string): Setting {
  const equals = text.indexOf('=')
  const argument = `--set ${text.length > 80 ? `${text.slice(0, 77)}...` : text}`
  const segments = text.slice(0, Math.max(0, equals)).split('.')
  if (equals < 0 || text.length > SET_BYTES_MAX || segments.some((segment) => !/^[\w-]+$/.test(segment))) {
    const example = 'PATH=VALUE, for instance --set machine.devices.0.pri.capacity=8'
    throw new CliError(EXIT_USAGE, `${argument}: expected ${example}`)
  }
  const path = segments.map((segment) => (/^\d{1,9}$/.test(segment) ? Number(segment) : segment))
  return { path, value: parseValue(argument, text.slice(equals + 1)), argument }
}

/** A scalar, or a collection in braces or brackets; whatever else is text, so that paths need no quotes. */
function parseValue(argument: string, text: string): unknown {
  if (text.trim() === '') return ''
  const isCollection = /^\s*[[{]/.test(text)
  try {
    const value: unknown = parseScenarioText(argument, text).document.toJS()
    return isContainer(value) && !isCollection ? text : value
  } catch (error) {
    if (error instanceof CliError && !isCollection) return text
    throw error
  }
}

/** Puts the value at its path; containers that the document leaves to their defaults are made. */
export function applySetting(root: unknown, setting: Setting): unknown {
  const [first] = setting.path
  if (!isContainer(root)) throw misfit(setting, 0, `the document is ${showValue(root)}`)
  let parent: Container = root
  for (const [depth, step] of setting.path.entries()) {
    checkStep(parent, step, setting, depth)
    if (depth === setting.path.length - 1) put(parent, step, setting.value)
    else parent = descend(parent, step, setting, depth)
  }
  return first === undefined ? setting.value : root
}

type Container = Record<string | number, unknown> | unknown[]

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}

function checkStep(parent: Container, step: string | number, setting: Setting, depth: number): void {
  if (!Array.isArray(parent)) return
  const { length } = parent
  if (typeof step === 'number' && (step < length || (length === 0 && step === 0))) return
  const where = formatPath(setting.path.slice(0, depth))
  const range = length < 2 ? 'index 0' : `an index from 0 to ${length - 1}`
  const size =
    length === 0 ? 'is not written in the document' : `has ${length} ${length === 1 ? 'entry' : 'entries'}`
  throw misfit(setting, depth, `${where} ${size}; expected ${range}`)
}

function descend(parent: Container, step: string | number, setting: Setting, depth: number): Container {
  const child: unknown = Object.hasOwn(parent, step) ? Reflect.get(parent, step) : undefined
  if (isContainer(child)) return child
  const path = setting.path.slice(0, depth + 1)
  if (child !== undefined && child !== null) {
    throw misfit(setting, depth, `${formatPath(path)} is ${showValue(child)} and has no parts`)
  }
  const made: Container = typeof setting.path[depth + 1] === 'number' ? [] : {}
  put(parent, step, made)
  return made
}

/** An own property even for `__proto__`. */
function put(parent: Container, step: string | number, value: unknown): void {
  Object.defineProperty(parent, step, { value, writable: true, enumerable: true, configurable: true })
}

function misfit(setting: Setting, depth: number, why: string): CliError {
  const step = String(setting.path[depth] ?? '')
  return new CliError(EXIT_INPUT, `${setting.argument}: ${formatPath(setting.path)}: got ${step}, but ${why}`)
}

/** A tree without shared parts, so that one setting changes one place only. */
export function deepCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deepCopy)
  if (typeof value !== 'object' || value === null) return value
  const copy = {}
  for (const [key, part] of Object.entries(value)) put(copy, key, deepCopy(part))
  return copy
}
