// SPDX-License-Identifier: MIT
import { EVENTS } from './events.ts'

/** The stations of a page request group, in order. An event of another name is no station. */
export const STATIONS = [
  'page_request',
  'page_request_queued',
  'fault_reported',
  'fault_delivered',
  'group_deliver',
  'group_read',
  'group_write',
  'page_response',
  'prg_response',
  'retry',
] as const

export type Station = (typeof STATIONS)[number]

const STATION_BY_EVENT: Int32Array = new Int32Array(Object.keys(EVENTS).length).fill(-1)
STATIONS.forEach((name, station) => (STATION_BY_EVENT[EVENTS[name]] = station))

/** Index in `STATIONS` of an event number; -1 when the event is no station. */
export function stationOf(event: number): number {
  return STATION_BY_EVENT[event] ?? -1
}

/** The station at which the device has its answer: the group is over. */
export const ANSWERED: number = STATIONS.indexOf('prg_response')
