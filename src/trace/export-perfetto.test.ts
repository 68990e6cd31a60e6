// SPDX-License-Identifier: MIT
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import { Clock } from '../sim/clock.ts'
import { EVENT_NAMES, EVENTS, REQUEST_LAST } from './events.ts'
import { exportPerfetto } from './export-perfetto.ts'
import { Recorder } from './recorder.ts'

/** The part of Perfetto's public trace format that the export uses, by its published field numbers. */
const PROTO = `
syntax = "proto2";
message Trace { repeated TracePacket packet = 1; }
message TracePacket {
  optional uint64 timestamp = 8;
  optional uint32 trusted_packet_sequence_id = 10;
  optional TrackEvent track_event = 11;
  optional uint32 sequence_flags = 13;
  optional TrackDescriptor track_descriptor = 60;
}
message TrackDescriptor {
  optional uint64 uuid = 1;
  optional string name = 2;
  optional ProcessDescriptor process = 3;
  optional uint64 parent_uuid = 5;
}
message ProcessDescriptor { optional int32 pid = 1; optional string process_name = 6; }
message TrackEvent {
  enum Type { TYPE_UNSPECIFIED = 0; TYPE_SLICE_BEGIN = 1; TYPE_SLICE_END = 2; TYPE_INSTANT = 3; TYPE_COUNTER = 4; }
  repeated DebugAnnotation debug_annotations = 4;
  optional Type type = 9;
  optional uint64 track_uuid = 11;
  repeated string categories = 22;
  optional string name = 23;
  repeated fixed64 flow_ids = 47;
  repeated fixed64 terminating_flow_ids = 48;
}
message DebugAnnotation {
  optional bool bool_value = 2;
  optional uint64 uint_value = 3;
  optional int64 int_value = 4;
  optional string string_value = 6;
  optional string name = 10;
}`

interface TrackEvent {
  debugAnnotations?: { name: string; boolValue?: boolean; intValue?: number; stringValue?: string }[]
  type: string
  trackUuid: number
  categories?: string[]
  name?: string
  flowIds?: number[]
  terminatingFlowIds?: number[]
}

interface Packet {
  timestamp?: number
  trustedPacketSequenceId: number
  sequenceFlags?: number
  trackEvent?: TrackEvent
  trackDescriptor?: {
    uuid: number
    name: string
    parentUuid?: number
    process?: { pid: number; processName: string }
  }
}

function decode(trace: Recorder): Packet[] {
  const type = protobuf.parse(PROTO).root.lookupType('Trace')
  const pieces = [...exportPerfetto(trace)]
  const bytes = Buffer.concat(pieces)
  const plain: { packet?: Packet[] } = type.toObject(type.decode(bytes), { longs: Number, enums: String })
  return plain.packet ?? []
}

/** Two groups of one device at the same time, one answered, one left open. */
function twoGroups(): Recorder {
  const clock = new Clock()
  const trace = new Recorder(clock)
  trace.registerDevice(0x100, 'dma0')
  const at = (nanos: number, event: number, flow: number, ...args: number[]): void => {
    clock.now = nanos
    trace.emit(event, flow, ...args)
  }
  at(1000, EVENTS.page_request, 1, 0x100, 7, 0, 0x1000, 3, 1)
  at(1001, EVENTS.page_request, 1, 0x100, 7, 0, 0x2000, 3, 1 | REQUEST_LAST)
  at(1002, EVENTS.page_request, 2, 0x100, -1, -1, -4096, 4, 2 | REQUEST_LAST)
  at(1500, EVENTS.fault_reported, 1, 0x100, 7, 0, 0x1000, 3, 1)
  at(1700, EVENTS.group_read, 1, 1, 3, 2, 1)
  at(5_000_000_000, EVENTS.prg_response, 1, 0x100, -1, 3, 0)
  at(5_000_000_010, EVENTS.retry, 1, 0x100, 7, 0, 0x1000, 0)
  at(5_000_000_020, EVENTS.page_request, 3, 0x100, 7, 0, 0x3000, 3, 17)
  return trace
}

function slicesOn(
  packets: Packet[],
  track: number,
): [nanos: number, type: string, name: string | undefined][] {
  return packets
    .filter((packet) => packet.trackEvent?.trackUuid === track && packet.trackEvent.type !== 'TYPE_INSTANT')
    .map((packet) => [packet.timestamp!, packet.trackEvent!.type.slice(5), packet.trackEvent!.name])
}

function trackOf(packets: Packet[], name: string): number {
  return packets.find((packet) => packet.trackDescriptor?.name === name)!.trackDescriptor!.uuid
}

describe('exportPerfetto, read back by another protobuf implementation', () => {
  const packets = decode(twoGroups())

  it('begins a sequence whose state is cleared', () => {
    expect(packets[0]).toMatchObject({ trustedPacketSequenceId: 1, sequenceFlags: 1 })
    expect(new Set(packets.map((packet) => packet.trustedPacketSequenceId))).toEqual(new Set([1]))
  })

  it('has a process for each floor and device, and a track below the device for each group under way', () => {
    const descriptors = packets.flatMap((packet) => packet.trackDescriptor ?? [])
    const device = descriptors.find((descriptor) => descriptor.name === 'dma0')!
    expect(device.process).toEqual({ pid: device.uuid, processName: 'dma0' })
    const lanes = descriptors.filter((descriptor) => descriptor.parentUuid === device.uuid)
    expect(lanes.map((lane) => lane.name)).toEqual(['page request groups 1', 'page request groups 2'])
    const floors = descriptors.filter((d) => d.process !== undefined && d !== device).map((d) => d.name)
    expect(floors).toEqual(['kernel', 'iommufd'])
    expect(new Set(descriptors.map((descriptor) => descriptor.uuid)).size).toBe(descriptors.length)
  })

  it('describes each track before its first event', () => {
    const known = new Set<number>()
    for (const packet of packets) {
      if (packet.trackDescriptor !== undefined) known.add(packet.trackDescriptor.uuid)
      if (packet.trackEvent !== undefined) expect(known).toContain(packet.trackEvent.trackUuid)
    }
  })

  it('nests the hops of a group in its slice and uses the track again afterwards', () => {
    expect(slicesOn(packets, trackOf(packets, 'page request groups 1'))).toEqual([
      [1000, 'SLICE_BEGIN', 'group 3'],
      [1000, 'SLICE_BEGIN', 'page_request'],
      [1500, 'SLICE_END', undefined],
      [1500, 'SLICE_BEGIN', 'fault_reported'],
      [1700, 'SLICE_END', undefined],
      [1700, 'SLICE_BEGIN', 'group_read'],
      [5_000_000_000, 'SLICE_END', undefined],
      [5_000_000_000, 'SLICE_BEGIN', 'prg_response'],
      [5_000_000_000, 'SLICE_END', undefined],
      [5_000_000_000, 'SLICE_END', undefined],
      [5_000_000_020, 'SLICE_BEGIN', 'group 3'],
      [5_000_000_020, 'SLICE_BEGIN', 'page_request'],
      [5_000_000_020, 'SLICE_END', undefined],
      [5_000_000_020, 'SLICE_END', undefined],
    ])
  })

  it('closes the slices of a group without an answer at the end', () => {
    expect(slicesOn(packets, trackOf(packets, 'page request groups 2')).slice(2)).toEqual([
      [5_000_000_020, 'SLICE_END', undefined],
      [5_000_000_020, 'SLICE_END', undefined],
    ])
  })

  it('has every event as an instant with its flow, floor and arguments', () => {
    const instants = packets
      .flatMap((packet) => packet.trackEvent ?? [])
      .filter((e) => e.type === 'TYPE_INSTANT')
    expect(instants.map((event) => event.name)).toEqual([
      'page_request',
      'page_request',
      'page_request',
      'fault_reported',
      'group_read',
      'prg_response',
      'retry',
      'page_request',
    ])
    expect(instants[2]).toEqual({
      type: 'TYPE_INSTANT',
      trackUuid: trackOf(packets, 'dma0'),
      name: 'page_request',
      categories: ['hardware'],
      flowIds: [2],
      debugAnnotations: [
        { name: 'dev', stringValue: 'dma0' },
        { name: 'pasid', stringValue: 'none' },
        { name: 'addr', stringValue: '0xfffffffffffff000' },
        { name: 'grpid', intValue: 4 },
        { name: 'flags', stringValue: 'w last' },
      ],
    })
    expect(instants[3]).toMatchObject({ trackUuid: trackOf(packets, 'kernel'), categories: ['kernel'] })
    expect(instants[6]).toMatchObject({ terminatingFlowIds: [1] })
  })

  it('decodes for every event of the catalogue, with any arguments and names', () => {
    const trace = new Recorder(new Clock())
    trace.registerDevice(1, 'größe 😀\ud800')
    for (let event = 0; event < EVENT_NAMES.length; event++)
      trace.emit(event, event, 1, -5, -1, 1, 0x7fffffff, -1)
    const names = decode(trace).flatMap((packet) =>
      packet.trackEvent?.type === 'TYPE_INSTANT' ? [packet.trackEvent.name] : [],
    )
    expect(names).toEqual([...EVENT_NAMES])
    expect(decode(trace).some((packet) => packet.trackDescriptor?.name === 'größe 😀\ufffd')).toBe(true)
  })

  it('keeps slices nested on every track of a long trace in pieces', () => {
    const clock = new Clock()
    const trace = new Recorder(clock)
    for (let i = 0; i < 3000; i++) {
      clock.now = i * 10
      trace.emit(EVENTS.page_request, i + 1, i % 3, -1, 0, 0, i % 512, 1)
      if (i > 20) trace.emit(EVENTS.prg_response, i - 20 + ((i * 7) % 20), (i * 5) % 3, -1, 0, 0)
    }
    const depths = new Map<number, number>()
    for (const { trackEvent } of decode(trace)) {
      if (trackEvent === undefined || trackEvent.type === 'TYPE_INSTANT') continue
      const depth =
        (depths.get(trackEvent.trackUuid) ?? 0) + (trackEvent.type === 'TYPE_SLICE_BEGIN' ? 1 : -1)
      expect(depth >= 0 && depth <= 2).toBe(true)
      depths.set(trackEvent.trackUuid, depth)
    }
    expect([...depths.values()].every((depth) => depth === 0)).toBe(true)
    expect([...exportPerfetto(trace)].length).toBeGreaterThan(2)
  })
})
