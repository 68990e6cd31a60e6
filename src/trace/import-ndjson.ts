// SPDX-License-Identifier: MIT
import { TIME_NANOS_MAX, TRACE_LINE_CHARACTERS_MAX, TRACE_NAMES_MAX } from '../base/limits.ts'
import { Clock } from '../sim/clock.ts'
import { expectedOf, readArgument } from './arguments.ts'
import { fieldsOf } from './event-fields.ts'
import { EVENTS, isEventName } from './events.ts'
import { TRACE_FORMAT, TRACE_VERSION } from './export-ndjson.ts'
import { ARGUMENTS_MAX, Recorder } from './recorder.ts'

/** A trace file that is none, or broken: says in which line and what was expected there. */
export class TraceFormatError extends Error {
  override readonly name = 'TraceFormatError'
  /** From 1. */
  readonly line: number

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`)
    this.line = line
  }
}

export interface ImportedTrace {
  readonly seed: number | undefined
  readonly trace: Recorder
}

type JsonObject = Readonly<Record<string, unknown>>

/** Reads a trace that `exportNdjson` wrote; throws `TraceFormatError`. Nothing in the text is trusted. */
export function importNdjson(text: string | Iterable<string>): ImportedTrace {
  const importer = new Importer()
  for (const line of typeof text === 'string' ? linesOf(text) : text) importer.push(line)
  return importer.finish()
}

function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start)
    yield text.slice(start, end < 0 ? text.length : end)
    start = end < 0 ? text.length : end + 1
  }
}

class Importer {
  readonly #clock = new Clock()
  readonly #trace = new Recorder(this.#clock)
  readonly #args = new Int32Array(ARGUMENTS_MAX)
  #seed: number | undefined = undefined
  #line = 0

  push(line: string): void {
    this.#line++
    if (line.length > TRACE_LINE_CHARACTERS_MAX)
      this.#fail(`has ${line.length} characters, expected at most ${TRACE_LINE_CHARACTERS_MAX}`)
    const object = this.#parse(line)
    if (this.#line === 1) this.#readHeader(object)
    else this.#readEvent(object)
  }

  finish(): ImportedTrace {
    if (this.#line === 0)
      throw new TraceFormatError(1, `expected the header of an ${TRACE_FORMAT} file, found nothing`)
    return { seed: this.#seed, trace: this.#trace }
  }

  #fail(message: string): never {
    throw new TraceFormatError(this.#line, message)
  }

  #parse(line: string): JsonObject {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      return this.#fail('expected one JSON object')
    }
    return isObject(value) ? value : this.#fail('expected one JSON object')
  }

  #readHeader(header: JsonObject): void {
    if (own(header, 'format') !== TRACE_FORMAT)
      this.#fail(`expected a header with "format":"${TRACE_FORMAT}"`)
    if (own(header, 'version') !== TRACE_VERSION)
      this.#fail(`"version" is ${show(own(header, 'version'))}, expected ${TRACE_VERSION}`)
    const seed = own(header, 'seed')
    if (seed !== undefined) this.#seed = this.#integer('seed', seed, 0, Number.MAX_SAFE_INTEGER)
    const devices = own(header, 'devices')
    if (!Array.isArray(devices)) return this.#fail('"devices" must be an array')
    for (const device of devices) this.#readDevice(device)
    this.#rejectUnknown(header, ['format', 'version', 'seed', 'devices'])
  }

  #readDevice(device: unknown): void {
    const name = isObject(device) ? own(device, 'name') : undefined
    const rid = isObject(device) ? own(device, 'rid') : undefined
    if (typeof name !== 'string' || typeof rid !== 'string' || !/^0x[0-9a-f]{4}$/.test(rid))
      return this.#fail('a device must be {"name":...,"rid":"0x" and 4 hex digits}')
    this.#trace.registerDevice(Number.parseInt(rid, 16), name)
  }

  #readEvent(object: JsonObject): void {
    const name = own(object, 'event')
    if (typeof name !== 'string' || !isEventName(name))
      return this.#fail(`"event" ${show(name)} is not an event`)
    this.#clock.now = this.#integer('t', own(object, 't'), this.#clock.now, TIME_NANOS_MAX)
    const flow =
      own(object, 'flow') === undefined ? 0 : this.#integer('flow', own(object, 'flow'), 1, 0x7fffffff)
    const fields = fieldsOf(EVENTS[name])
    if (this.#trace.nameCount === TRACE_NAMES_MAX)
      this.#fail(`has more than ${TRACE_NAMES_MAX} different names`)
    this.#args.fill(0)
    for (const field of fields) {
      const value = own(object, field.name)
      if (readArgument(field.kind, value, this.#trace, this.#args, field.index)) continue
      this.#fail(`"${field.name}" of ${name} is ${show(value)}, expected ${expectedOf(field.kind)}`)
    }
    this.#rejectUnknown(object, ['t', 'event', 'flow', ...fields.map((field) => field.name)])
    const [a, b, c, d, e, f] = this.#args
    this.#trace.flowCount = Math.max(this.#trace.flowCount, flow)
    this.#trace.emit(EVENTS[name], flow, a, b, c, d, e, f)
  }

  #integer(key: string, value: unknown, from: number, to: number): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to) return value
    return this.#fail(`"${key}" is ${show(value)}, expected a whole number from ${from} to ${to}`)
  }

  #rejectUnknown(object: JsonObject, known: readonly string[]): void {
    for (const key of Object.keys(object))
      if (!known.includes(key)) this.#fail(`unknown key ${show(key)}, expected one of ${known.join(', ')}`)
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object's own property: a key like `constructor` finds nothing inherited. */
function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : (JSON.stringify(value) ?? 'nothing').slice(0, 80)
}
