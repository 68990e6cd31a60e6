// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Clock } from '../sim/clock.ts'
import { fieldsOf } from './event-fields.ts'
import { type ArgumentKind, EVENT_NAMES, EVENTS, REQUEST_LAST } from './events.ts'
import { exportNdjson } from './export-ndjson.ts'
import { importNdjson, TraceFormatError } from './import-ndjson.ts'
import { Recorder } from './recorder.ts'

const HEADER = '{"format":"iopf-trace","version":1,"devices":[{"name":"dma0","rid":"0x0100"}]}'

function recorder(): { clock: Clock; trace: Recorder } {
  const clock = new Clock()
  const trace = new Recorder(clock)
  trace.registerDevice(0x100, 'dma0')
  return { clock, trace }
}

function textOf(trace: Recorder, seed?: number): string {
  return [...exportNdjson(trace, seed === undefined ? {} : { seed })].join('')
}

/** Values that an emitter may give for an argument of the kind. */
function valuesOf(kind: ArgumentKind, trace: Recorder): fc.Arbitrary<number> {
  switch (kind) {
    case 'rid':
      return fc.constantFrom(0x100, 0, 7, 0xffff)
    case 'pasid':
      return fc.constantFrom(-1, 0, 1, 0xfffff)
    case 'access':
      return fc.nat({ max: 15 })
    case 'request':
      return fc.nat({ max: 2 * REQUEST_LAST - 1 })
    case 'bool':
      return fc.nat({ max: 1 })
    case 'name':
      return fc.string().map((name) => trace.intern(name))
    default:
      return fc.integer()
  }
}

describe('the native trace file', () => {
  it('is a header and one event a line, hex with leading zeros', () => {
    const { clock, trace } = recorder()
    clock.now = 1_000_000_123
    trace.emit(EVENTS.page_request, trace.openFlow(0x100, 3), 0x100, 7, 0x1, 0x2000, 3, 3 | REQUEST_LAST)
    trace.emit(EVENTS.prg_response, 1, 0x200, -1, 3, 15)
    expect(textOf(trace, 9)).toBe(
      '{"format":"iopf-trace","version":1,"seed":9,"devices":[{"name":"dma0","rid":"0x0100"}]}\n' +
        '{"t":1000000123,"event":"page_request","flow":1,"dev":"dma0","pasid":7,"addr":"0x0000000100002000","grpid":3,"flags":"rw last"}\n' +
        '{"t":1000000123,"event":"prg_response","flow":1,"dev":"0x0200","pasid":null,"grpid":3,"code":"failure"}\n',
    )
  })

  it.each(EVENT_NAMES)('brings %s back as it was, whatever its arguments', (name) => {
    const { trace } = recorder()
    const kinds = fieldsOf(EVENTS[name]).flatMap((field): ArgumentKind[] =>
      field.kind === 'hex64' || field.kind === 'bytes64' ? ['i32', 'i32'] : [field.kind],
    )
    const args = fc.tuple(...kinds.map((kind) => valuesOf(kind, trace)))
    fc.assert(
      fc.property(args, fc.nat({ max: 5 }), (values, flow) => {
        trace.clear()
        trace.emit(EVENTS[name], flow, ...values)
        const text = textOf(trace, 4)
        const back = importNdjson(text)
        expect(back.seed).toBe(4)
        expect(textOf(back.trace, 4)).toBe(text)
      }),
      { numRuns: 40 },
    )
  })

  it('is handed out in pieces and taken as lines', () => {
    const { trace } = recorder()
    for (let i = 0; i < 5000; i++) trace.emit(EVENTS.evict, 0, 0, i << 12, 1, 1)
    const pieces = [...exportNdjson(trace)]
    expect(pieces.length).toBeGreaterThan(3)
    const back = importNdjson(pieces.join('').trimEnd().split('\n'))
    expect(back.trace.length).toBe(5000)
    expect(back.seed).toBeUndefined()
  })
})

/** A line, and what the importer says to it. */
const BAD_LINES: [what: string, line: string, message: string][] = [
  ['no JSON', '{"t":', 'expected one JSON object'],
  ['an empty line', '', 'expected one JSON object'],
  ['an array', '[]', 'expected one JSON object'],
  ['a string', '"x"', 'expected one JSON object'],
  ['null', 'null', 'expected one JSON object'],
  ['no event', '{"t":1}', '"event" missing is not an event'],
  ['an unknown event', '{"t":1,"event":"fault"}', '"event" "fault" is not an event'],
  ['an inherited name', '{"t":1,"event":"constructor"}', '"event" "constructor" is not an event'],
  ['no instant', '{"event":"stop_marker"}', '"t" is missing, expected a whole number from 0'],
  ['a negative instant', '{"t":-1,"event":"stop_marker"}', '"t" is -1'],
  ['a fraction', '{"t":0.5,"event":"stop_marker"}', '"t" is 0.5'],
  ['flow 0', '{"t":1,"event":"stop_marker","flow":0}', '"flow" is 0, expected a whole number from 1'],
  [
    'a missing argument',
    '{"t":1,"event":"stop_marker","dev":"dma0"}',
    '"pasid" of stop_marker is missing, expected null or',
  ],
  [
    'a device that is none',
    '{"t":1,"event":"stop_marker","dev":"dma9","pasid":1}',
    "a device's name or 0x and 4 hex digits",
  ],
  [
    'a PASID of 21 bits',
    '{"t":1,"event":"stop_marker","dev":"dma0","pasid":1048576}',
    'null or a number from 0 to 1048575',
  ],
  [
    'a short address',
    '{"t":1,"event":"evict","addr":"0x1000","pages":1,"dirty":true}',
    '"addr" of evict is "0x1000", expected 0x and 16',
  ],
  [
    'an upper-case address',
    '{"t":1,"event":"evict","addr":"0x000000000000A000","pages":1,"dirty":true}',
    '0x and 16 hex digits',
  ],
  [
    'a number for a truth',
    '{"t":1,"event":"evict","addr":"0x0000000000001000","pages":1,"dirty":1}',
    '"dirty" of evict is 1, expected true or false',
  ],
  [
    'a length of 2^64',
    '{"t":1,"event":"unmap","domain":1,"addr":"0x0000000000001000","length":"18446744073709551616"}',
    'a whole number from 0 to 2^64-1',
  ],
  [
    'a code that is none',
    '{"t":1,"event":"prg_unexpected","dev":"dma0","grpid":1,"code":"maybe"}',
    'one of success, invalid, failure, or a number',
  ],
  [
    'an unknown key',
    '{"t":1,"event":"stop_marker","dev":"dma0","pasid":1,"x":1}',
    'unknown key "x", expected one of t, event, flow, dev, pasid',
  ],
  [
    'a prototype',
    '{"t":1,"event":"stop_marker","dev":"dma0","pasid":1,"__proto__":{}}',
    'unknown key "__proto__"',
  ],
  ['a line too long', `{"t":1${' '.repeat(70_000)}}`, 'characters, expected at most 65536'],
]

const BAD_HEADERS: [what: string, line: string, message: string][] = [
  ['another format', '{"format":"x"}', 'expected a header with "format":"iopf-trace"'],
  ['an event', '{"t":1,"event":"stop_marker"}', 'expected a header with "format":"iopf-trace"'],
  ['a later version', '{"format":"iopf-trace","version":2,"devices":[]}', '"version" is 2, expected 1'],
  ['no devices', '{"format":"iopf-trace","version":1}', '"devices" must be an array'],
  ['a device without id', '{"format":"iopf-trace","version":1,"devices":[{"name":"a"}]}', 'a device must be'],
  ['a device that is null', '{"format":"iopf-trace","version":1,"devices":[null]}', 'a device must be'],
  ['a seed that is text', '{"format":"iopf-trace","version":1,"seed":"1","devices":[]}', '"seed" is "1"'],
  ['an unknown key', '{"format":"iopf-trace","version":1,"devices":[],"a":1}', 'unknown key "a"'],
]

function stopMarkerAt(nanos: number): string {
  return `{"t":${nanos},"event":"stop_marker","dev":"dma0","pasid":1}`
}

describe('the importer', () => {
  it.each(BAD_LINES)('refuses %s and names the line', (_what, line, message) => {
    const good = '{"t":0,"event":"stop_marker","dev":"dma0","pasid":1}'
    const run = (): unknown => importNdjson([HEADER, good, line])
    expect(run).toThrow(TraceFormatError)
    expect(run).toThrow(/^line 3: /)
    expect(run).toThrow(message)
  })

  it.each(BAD_HEADERS)('refuses a header with %s', (_what, line, message) => {
    expect(() => importNdjson(line)).toThrow(`line 1: ${message}`)
  })

  it('refuses an empty file', () => {
    expect(() => importNdjson('')).toThrow('line 1: expected the header of an iopf-trace file, found nothing')
  })

  it('refuses time that goes back', () => {
    expect(() => importNdjson([HEADER, stopMarkerAt(5), stopMarkerAt(4)])).toThrow(
      'line 3: "t" is 4, expected a whole number from 5',
    )
  })

  it('refuses more names than a trace may have', () => {
    const lines = Array.from({ length: 65_537 }, (_, i) => `{"t":0,"event":"interrupt","line":"line ${i}"}`)
    expect(() => importNdjson([HEADER, ...lines])).toThrow('line 65538: has more than 65536 different names')
  })

  it('gives an error of its own, and no other, for any text', () => {
    const line = fc.oneof(fc.string(), fc.json(), fc.constantFrom(HEADER, ...BAD_LINES.map(([, bad]) => bad)))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), fc.boolean(), (lines, headed) => {
        try {
          importNdjson([...(headed ? [HEADER] : []), ...lines].join('\n'))
        } catch (error) {
          expect(error).toBeInstanceOf(TraceFormatError)
        }
      }),
    )
  })
})
