// SPDX-License-Identifier: MIT
import { broken } from '../base/assert.ts'
import { type ArgumentValue, type Names, showArgument } from './arguments.ts'
import { type ArgumentKind, type EventDefinition, EVENT_DEFINITIONS, EVENT_NAMES, widthOf } from './events.ts'
import type { RecordedEvent } from './recorder.ts'

/** An argument of an event: its name, its kind, and the index of its first int32. */
export interface Field {
  readonly name: string
  readonly kind: ArgumentKind
  readonly index: number
}

/** Fields by event number. */
const FIELDS: readonly (readonly Field[])[] = EVENT_NAMES.map((name) => fieldsIn(EVENT_DEFINITIONS[name]))

function fieldsIn(definition: EventDefinition): Field[] {
  let index = 0
  return Object.entries(definition.args).map(([name, kind]) => {
    const field = { name, kind, index }
    index += widthOf(kind)
    return field
  })
}

/** Fields of the event with this number. */
export function fieldsOf(event: number): readonly Field[] {
  return FIELDS[event] ?? broken(`no event has the number ${event}`)
}

/** The event's arguments by name, as they print. */
export function eventFields(event: RecordedEvent, names: Names): [name: string, value: ArgumentValue][] {
  const { args } = event
  return fieldsOf(event.event).map(({ name, kind, index }) => [
    name,
    showArgument(kind, args[index]!, args[index + 1] ?? 0, names),
  ])
}
