// SPDX-License-Identifier: MIT
import { eventFields } from './event-fields.ts'
import { EVENT_NAMES } from './events.ts'
import { RecordedEvent, type Recorder } from './recorder.ts'

export const TRACE_FORMAT = 'iopf-trace'
export const TRACE_VERSION = 1

/** First line of a trace file. */
export interface TraceHeader {
  readonly format: typeof TRACE_FORMAT
  readonly version: typeof TRACE_VERSION
  /** Seed of the run, where it had one. */
  readonly seed?: number
  /** Requester ids as 0x and four hex digits. */
  readonly devices: readonly { readonly name: string; readonly rid: string }[]
}

/** Lines are handed out in pieces of about this many characters. */
const PIECE_CHARACTERS = 65_536

/** The header of a recorder's trace. */
export function traceHeader(trace: Recorder, seed?: number): TraceHeader {
  const devices = trace
    .devices()
    .map(({ rid, name }) => ({ name, rid: `0x${rid.toString(16).padStart(4, '0')}` }))
  return { format: TRACE_FORMAT, version: TRACE_VERSION, ...(seed === undefined ? {} : { seed }), devices }
}

/**
 * The native file format: one JSON object a line, the header first, then one event a line: `t` (nanoseconds), `event`,
 * `flow` (when it belongs to one), and the event's arguments by name. The same events give the same bytes.
 */
export function* exportNdjson(trace: Recorder, options: { readonly seed?: number } = {}): Generator<string> {
  let piece = `${JSON.stringify(traceHeader(trace, options.seed))}\n`
  const event = new RecordedEvent()
  for (let index = 0; index < trace.length; index++) {
    trace.read(index, event)
    piece += eventLine(event, trace)
    if (piece.length < PIECE_CHARACTERS) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

function eventLine(event: RecordedEvent, trace: Recorder): string {
  let line = `{"t":${event.nanos},"event":"${EVENT_NAMES[event.event]}"`
  if (event.flow !== 0) line += `,"flow":${event.flow}`
  for (const [name, value] of eventFields(event, trace)) line += `,"${name}":${JSON.stringify(value)}`
  return `${line}}\n`
}
