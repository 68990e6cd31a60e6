// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'
import { IntMap } from '../base/int-map.ts'
import { TRACE_CHUNK_EVENTS, TRACE_NAMES_MAX } from '../base/limits.ts'
import type { Clock } from '../sim/clock.ts'
import { EVENTS } from './events.ts'

/** Int32 values of one event: number, flow, six arguments. */
const STRIDE = 8

/** Argument values of one event. */
export const ARGUMENTS_MAX = 6

class Chunk {
  readonly times: Float64Array
  readonly values: Int32Array
  constructor(events: number) {
    this.times = new Float64Array(events)
    this.values = new Int32Array(events * STRIDE)
  }
}

/** One event read back; one object is reused. */
export class RecordedEvent {
  nanos = 0
  event = 0
  flow = 0
  readonly args: Int32Array = new Int32Array(ARGUMENTS_MAX)
}

export interface RecorderOptions {
  /** Keeps about the last so many events and counts what it forgets. Default: all are kept. */
  readonly eventsMax?: number
}

/**
 * Events in columns. Off (`enabled` false) it costs its call sites one field test:
 * `if (trace.enabled) trace.emit(EVENTS.page_request, trace.flowOf(rid, grpid), rid, pasid, hi, lo, grpid, flags)`.
 *
 * A flow is one page request group from its first request to its response, found by (requester id, group index), which
 * is unique while the group is outstanding. Flow 0 is none.
 */
export class Recorder {
  enabled = false
  /** Events that a bounded recorder has forgotten. */
  lost = 0
  /** Number of flows opened so far: the last flow's id. */
  flowCount = 0
  readonly #clock: Clock
  readonly #chunksMax: number
  readonly #chunks: Chunk[]
  #chunk: Chunk
  /** Events in `#chunk`. */
  #used = TRACE_CHUNK_EVENTS
  readonly #flows: IntMap
  readonly #deviceNames: Map<number, string>
  readonly #deviceRids: Map<string, number>
  readonly #names: string[]
  readonly #numbers: Map<string, number>

  constructor(clock: Clock, options: RecorderOptions = {}) {
    const eventsMax = options.eventsMax ?? Infinity
    assert(eventsMax >= 1, `a recorder of ${eventsMax} events`)
    this.#clock = clock
    this.#chunksMax = Math.max(2, Math.ceil(eventsMax / TRACE_CHUNK_EVENTS))
    this.#chunk = new Chunk(0)
    this.#chunks = []
    this.#flows = new IntMap()
    this.#deviceNames = new Map()
    this.#deviceRids = new Map()
    this.#names = []
    this.#numbers = new Map()
  }

  /** Writes one event at the present instant. The arguments are int32 in the catalogue's order. */
  emit(event: number, flow: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    if (this.#used === TRACE_CHUNK_EVENTS) this.#nextChunk()
    const index = this.#used++
    this.#chunk.times[index] = this.#clock.now
    const { values } = this.#chunk
    const base = index * STRIDE
    values[base] = event
    values[base + 1] = flow
    values[base + 2] = a
    values[base + 3] = b
    values[base + 4] = c
    values[base + 5] = d
    values[base + 6] = e
    values[base + 7] = f
  }

  /** Number of events that can be read. */
  get length(): number {
    return (
      Math.max(0, this.#chunks.length - 1) * TRACE_CHUNK_EVENTS + (this.#chunks.length > 0 ? this.#used : 0)
    )
  }

  /** Reads the event at the index, 0 the oldest kept, into `out`. */
  read(index: number, out: RecordedEvent): void {
    if (!(index >= 0 && index < this.length)) broken(`event ${index} of ${this.length}`)
    const chunk = this.#chunks[Math.floor(index / TRACE_CHUNK_EVENTS)]!
    const row = index % TRACE_CHUNK_EVENTS
    out.nanos = chunk.times[row]!
    out.event = chunk.values[row * STRIDE]!
    out.flow = chunk.values[row * STRIDE + 1]!
    for (let i = 0; i < ARGUMENTS_MAX; i++) out.args[i] = chunk.values[row * STRIDE + 2 + i]!
  }

  /** Forgets all events; names, flows and `enabled` stay. */
  clear(): void {
    this.#chunks.length = 0
    this.#used = TRACE_CHUNK_EVENTS
    this.lost = 0
  }

  /** Flow of the outstanding group, opened by its first request. */
  openFlow(rid: number, grpid: number): number {
    const key = (rid << 16) | grpid
    const open = this.#flows.get(key)
    if (open !== 0) return open
    this.#flows.set(key, ++this.flowCount)
    return this.flowCount
  }

  /** Flow of an outstanding group; 0 when none is open. */
  flowOf(rid: number, grpid: number): number {
    return this.#flows.get((rid << 16) | grpid)
  }

  /** The group was answered. Returns its flow, 0 when none was open. */
  closeFlow(rid: number, grpid: number): number {
    return this.#flows.delete((rid << 16) | grpid)
  }

  /** Flows opened and not closed. */
  get openFlows(): number {
    return this.#flows.size
  }

  /** The device is called so in exports. A name that another device has, or one that reads like a requester id, is ignored. */
  registerDevice(rid: number, name: string): void {
    if (this.#deviceRids.has(name) || /^0x[0-9a-f]{4}$/.test(name)) return
    this.#deviceRids.delete(this.#deviceNames.get(rid) ?? '')
    this.#deviceNames.set(rid, name)
    this.#deviceRids.set(name, rid)
  }

  /** Name of a registered device. */
  nameOf(rid: number): string | undefined {
    return this.#deviceNames.get(rid)
  }

  /** Requester id of a registered device. */
  ridOf(name: string): number | undefined {
    return this.#deviceRids.get(name)
  }

  /** Registered devices, in order of registration. */
  devices(): { rid: number; name: string }[] {
    return [...this.#deviceNames].map(([rid, name]) => ({ rid, name }))
  }

  /** Number that stands for the string in a `name` argument. */
  intern(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#names.length >= TRACE_NAMES_MAX) broken(`more than ${TRACE_NAMES_MAX} names in a trace`)
    const number = this.#names.push(name) - 1
    this.#numbers.set(name, number)
    return number
  }

  /** Names interned so far. */
  get nameCount(): number {
    return this.#names.length
  }

  /** The string of a number from `intern`. */
  internedName(number: number): string | undefined {
    return this.#names[number]
  }

  #nextChunk(): void {
    this.#used = 0
    if (this.#chunks.length < this.#chunksMax) {
      this.#chunk = new Chunk(TRACE_CHUNK_EVENTS)
      this.#chunks.push(this.#chunk)
      return
    }
    this.#chunk = this.#chunks.shift()!
    this.#chunks.push(this.#chunk)
    this.lost += TRACE_CHUNK_EVENTS
    this.emit(EVENTS.events_lost, 0, TRACE_CHUNK_EVENTS)
  }
}
