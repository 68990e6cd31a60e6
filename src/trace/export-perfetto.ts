// SPDX-License-Identifier: MIT
import { eventFields, fieldsOf } from './event-fields.ts'
import { EVENT_DEFINITIONS, EVENT_NAMES, EVENTS } from './events.ts'
import { ANSWERED, STATIONS, stationOf } from './hops.ts'
import { FlowLanes, type Lane, type TrackWriter } from './perfetto-lanes.ts'
import { ProtobufWriter } from './protobuf.ts'
import { RecordedEvent, type Recorder } from './recorder.ts'

/** Field numbers of Perfetto's public `Trace`, `TracePacket`, `TrackDescriptor` and `TrackEvent` messages. */
const TRACE_PACKET = 1
const PACKET_TIMESTAMP = 8
const PACKET_SEQUENCE_ID = 10
const PACKET_TRACK_EVENT = 11
const PACKET_SEQUENCE_FLAGS = 13
const PACKET_TRACK_DESCRIPTOR = 60
const SEQUENCE_CLEARED = 1
const TRACK_UUID = 1
const TRACK_NAME = 2
const TRACK_PROCESS = 3
const TRACK_PARENT = 5
const PROCESS_PID = 1
const PROCESS_NAME = 6
const EVENT_ANNOTATION = 4
const EVENT_TYPE = 9
const EVENT_TRACK = 11
const EVENT_CATEGORY = 22
const EVENT_NAME = 23
const EVENT_FLOW = 47
const EVENT_FLOW_END = 48
const ANNOTATION_BOOL = 2
const ANNOTATION_INT = 4
const ANNOTATION_STRING = 6
const ANNOTATION_NAME = 10
const TYPE_SLICE_BEGIN = 1
const TYPE_SLICE_END = 2
const TYPE_INSTANT = 3

const PIECE_BYTES = 65_536

/**
 * A trace for ui.perfetto.dev: one process for each floor and device; on a device one track for each of its page
 * request groups under way, a slice for the group and inside it one for each hop; every event as an instant on its floor or
 * device, tied together by flow ids. Pieces of one protobuf `Trace`.
 */
export function* exportPerfetto(trace: Recorder): Generator<Uint8Array> {
  const exporter = new PerfettoExporter(trace)
  const event = new RecordedEvent()
  for (let index = 0; index < trace.length; index++) {
    trace.read(index, event)
    exporter.push(event)
    if (exporter.pendingBytes >= PIECE_BYTES) yield exporter.take()
  }
  exporter.finish(event.nanos)
  yield exporter.take()
}

class PerfettoExporter implements TrackWriter {
  readonly #trace: Recorder
  readonly #writer = new ProtobufWriter()
  /** Tracks of floors (by category) and devices (by `dev` and requester id). */
  readonly #processes = new Map<string, number>()
  readonly #lanes = new FlowLanes(this)
  #tracks = 0

  constructor(trace: Recorder) {
    this.#trace = trace
    const packet = this.#writer.begin(TRACE_PACKET)
    this.#writer.varint(PACKET_SEQUENCE_ID, 1)
    this.#writer.varint(PACKET_SEQUENCE_FLAGS, SEQUENCE_CLEARED)
    this.#writer.end(packet)
  }

  get pendingBytes(): number {
    return this.#writer.length
  }

  take(): Uint8Array {
    return this.#writer.take()
  }

  push(event: RecordedEvent): void {
    const process = this.#processOf(event)
    if (event.flow !== 0) this.#hop(event, process)
    this.#instant(event, process)
  }

  /** Closes the slices of groups that were never answered. */
  finish(nanos: number): void {
    this.#lanes.closeAll(nanos)
  }

  addLane(process: number, name: string): number {
    return this.#descriptor(name, process, false)
  }

  beginSlice(lane: Lane, nanos: number, name: string): void {
    const ends = this.#beginEvent(nanos, TYPE_SLICE_BEGIN, lane.track)
    this.#writer.string(EVENT_NAME, name)
    this.#writer.string(EVENT_CATEGORY, 'group')
    this.#endEvent(ends)
  }

  endSlice(lane: Lane, nanos: number): void {
    this.#endEvent(this.#beginEvent(nanos, TYPE_SLICE_END, lane.track))
  }

  #hop(event: RecordedEvent, process: number): void {
    const station = stationOf(event.event)
    if (station < 0 || station > ANSWERED) return
    if (event.event === EVENTS.page_request)
      this.#lanes.open(event.flow, process, event.nanos, `group ${event.args[4]}`)
    this.#lanes.reach(event.flow, station, event.nanos, STATIONS[station]!)
    if (station === ANSWERED) this.#lanes.close(event.flow, event.nanos)
  }

  #instant(event: RecordedEvent, process: number): void {
    const name = EVENT_NAMES[event.event]!
    const ends = this.#beginEvent(event.nanos, TYPE_INSTANT, process)
    this.#writer.string(EVENT_NAME, name)
    this.#writer.string(EVENT_CATEGORY, EVENT_DEFINITIONS[name].category)
    if (event.flow !== 0) this.#writer.fixed64(name === 'retry' ? EVENT_FLOW_END : EVENT_FLOW, event.flow)
    for (const [field, value] of eventFields(event, this.#trace)) this.#annotation(field, value)
    this.#endEvent(ends)
  }

  #annotation(name: string, value: string | number | boolean | null): void {
    const start = this.#writer.begin(EVENT_ANNOTATION)
    this.#writer.string(ANNOTATION_NAME, name)
    if (typeof value === 'boolean') this.#writer.varint(ANNOTATION_BOOL, Number(value))
    else if (typeof value === 'number') this.#writer.int(ANNOTATION_INT, value)
    else this.#writer.string(ANNOTATION_STRING, value ?? 'none')
    this.#writer.end(start)
  }

  /** What silicon does belongs to its device, everything else to its floor. */
  #processOf(event: RecordedEvent): number {
    const { category } = EVENT_DEFINITIONS[EVENT_NAMES[event.event]!]
    const dev =
      category === 'hardware' ? fieldsOf(event.event).find((field) => field.kind === 'rid') : undefined
    if (dev === undefined) return this.#process(category, category)
    const rid = event.args[dev.index]!
    return this.#process(`dev ${rid}`, this.#trace.nameOf(rid) ?? `device ${rid}`)
  }

  #process(key: string, name: string): number {
    const known = this.#processes.get(key)
    if (known !== undefined) return known
    const track = this.#descriptor(name, 0, true)
    this.#processes.set(key, track)
    return track
  }

  #descriptor(name: string, parent: number, process: boolean): number {
    const uuid = ++this.#tracks
    const packet = this.#writer.begin(TRACE_PACKET)
    this.#writer.varint(PACKET_SEQUENCE_ID, 1)
    const descriptor = this.#writer.begin(PACKET_TRACK_DESCRIPTOR)
    this.#writer.varint(TRACK_UUID, uuid)
    this.#writer.string(TRACK_NAME, name)
    if (parent > 0) this.#writer.varint(TRACK_PARENT, parent)
    if (process) {
      const start = this.#writer.begin(TRACK_PROCESS)
      this.#writer.varint(PROCESS_PID, uuid)
      this.#writer.string(PROCESS_NAME, name)
      this.#writer.end(start)
    }
    this.#writer.end(descriptor)
    this.#writer.end(packet)
    return uuid
  }

  /** Returns what `#endEvent` needs. */
  #beginEvent(nanos: number, type: number, track: number): [packet: number, event: number] {
    const packet = this.#writer.begin(TRACE_PACKET)
    this.#writer.varint(PACKET_TIMESTAMP, nanos)
    this.#writer.varint(PACKET_SEQUENCE_ID, 1)
    const event = this.#writer.begin(PACKET_TRACK_EVENT)
    this.#writer.varint(EVENT_TYPE, type)
    this.#writer.varint(EVENT_TRACK, track)
    return [packet, event]
  }

  #endEvent([packet, event]: [packet: number, event: number]): void {
    this.#writer.end(event)
    this.#writer.end(packet)
  }
}
