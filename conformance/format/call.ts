// SPDX-License-Identifier: MIT
import { namesOfField } from './constants.ts'
import { bytesOfHex, fieldNamed, putField } from './data.ts'
import type { OperationDraft } from './draft.ts'
import { type Command, COMMANDS, layoutNamed, TESTS } from './layouts.ts'
import type { SpecOf, Value } from './schema.ts'

type Call = SpecOf<'ioctl'> | SpecOf<'test'>

/** An ioctl: descriptor, number, pointer; its structure in buffer 0. */
export function encodeCall(draft: OperationDraft, spec: Call, descriptor: Value): string {
  const command = commandOf(spec)
  draft.argument(descriptor)
  draft.argument(spec.number ?? BigInt(command.number))
  if (spec.argument === undefined) putStructure(draft, spec, command)
  else draft.argument(spec.argument, namesOfField('', 'argument'))
  draft.inject(spec.fails)
  return command.name
}

function commandOf(spec: Call): Command {
  const name = spec.kind === 'ioctl' ? spec.ioctl : spec.test
  if (typeof name === 'bigint') {
    return { name: `0x${name.toString(16)}`, number: Number(name), layout: layoutNamed('none'), defaults: {} }
  }
  const table = spec.kind === 'ioctl' ? COMMANDS : TESTS
  const command = table.get(name)
  if (command === undefined)
    throw new Error(`no ${spec.kind} ${name}: there are ${[...table.keys()].join(', ')}`)
  return command
}

function putStructure(draft: OperationDraft, spec: Call, { layout, defaults }: Command): void {
  const own = spec.bytes === undefined ? new Uint8Array(layout.bytes) : bytesOfHex(spec.bytes)
  const tail = bytesOfHex(spec.tail ?? '')
  const bytes = new Uint8Array(own.length + tail.length)
  bytes.set(own)
  bytes.set(tail, own.length)
  const buffer = draft.buffer(bytes, { prefix: '', layout, isList: false }, spec.at)
  draft.argument(draft.addressOf(buffer))
  if (spec.bytes !== undefined && spec.fields !== undefined) throw new Error('either bytes or fields')
  if (spec.bytes !== undefined) return
  const fields = { ...numbers(defaults), ...spec.fields }
  for (const [name, value] of Object.entries(fields)) {
    fieldNamed(layout, name)
    putField(draft, buffer, layout, 0, name, value)
  }
}

function numbers(defaults: Readonly<Record<string, number>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, BigInt(value)]))
}
