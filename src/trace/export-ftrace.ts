// SPDX-License-Identifier: MIT
import { eventFields, fieldsOf } from './event-fields.ts'
import { EVENT_DEFINITIONS, EVENT_NAMES } from './events.ts'
import { RecordedEvent, type Recorder } from './recorder.ts'

const PIECE_CHARACTERS = 65_536

/**
 * Text in the layout of `/sys/kernel/tracing/trace`: the task is the device, or the floor where no device is concerned;
 * time is in seconds with microseconds.
 */
export function* exportFtrace(trace: Recorder): Generator<string> {
  const written = trace.length + trace.lost
  let piece = `# tracer: nop\n#\n# entries-in-buffer/entries-written: ${trace.length}/${written}   #P:1\n#\n`
  piece +=
    '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n#              | |         |   |||||     |         |\n'
  const event = new RecordedEvent()
  for (let index = 0; index < trace.length; index++) {
    trace.read(index, event)
    piece += eventLine(event, trace)
    if (piece.length < PIECE_CHARACTERS) continue
    yield piece
    piece = ''
  }
  yield piece
}

function eventLine(event: RecordedEvent, trace: Recorder): string {
  const fields = eventFields(event, trace).map(([name, value]) => `${name}=${value ?? 'none'}`)
  if (event.flow !== 0) fields.push(`flow=${event.flow}`)
  const name = EVENT_NAMES[event.event]!
  return `${taskOf(event, trace)} [000] ..... ${secondsOf(event.nanos)}: ${name}: ${fields.join(' ')}\n`
}

/** `name-pid`, right-aligned to 16 characters and left-aligned to 7. */
function taskOf(event: RecordedEvent, trace: Recorder): string {
  const dev = fieldsOf(event.event).find((field) => field.kind === 'rid')
  const rid = dev === undefined ? 0 : event.args[dev.index]!
  const device = dev === undefined ? undefined : trace.nameOf(rid)
  const task = device ?? EVENT_DEFINITIONS[EVENT_NAMES[event.event]!].category
  return `${task.padStart(16)}-${String(rid).padEnd(7)}`
}

function secondsOf(nanos: number): string {
  const micros = Math.floor(nanos / 1000)
  const fraction = String(micros % 1_000_000).padStart(6, '0')
  return `${Math.floor(micros / 1_000_000)}.${fraction}`.padStart(12)
}
