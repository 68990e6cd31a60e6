// SPDX-License-Identifier: MIT
import { type EventName, EVENT_NAMES, EVENTS } from './events.ts'
import { Histogram } from './histogram.ts'
import { ANSWERED, STATIONS, type Station, stationOf } from './hops.ts'
import { RecordedEvent, type Recorder } from './recorder.ts'

/** How long groups took from one station to the next that they reached. */
export interface Hop {
  readonly from: Station
  readonly to: Station
  readonly latency: Histogram
}

export interface TraceSummary {
  readonly events: number
  /** Events that the recorder lost. */
  readonly lost: number
  /** Instants of the first and the last event; 0 when there is none. */
  readonly firstNanos: number
  readonly lastNanos: number
  /** Events by name, those that occurred. */
  readonly counts: ReadonlyMap<EventName, number>
  /** By order of the stations. */
  readonly hops: readonly Hop[]
  /** From a group's first request to the response at the device. */
  readonly answered: Histogram
  /** Groups that were requested and not answered. */
  readonly unanswered: number
}

interface FlowState {
  readonly firstNanos: number
  station: number
  nanos: number
}

/** Counts and latencies of a recorded run. */
export function summarize(trace: Recorder): TraceSummary {
  const summarizer = new Summarizer()
  const event = new RecordedEvent()
  let firstNanos = 0
  for (let index = 0; index < trace.length; index++) {
    trace.read(index, event)
    if (index === 0) firstNanos = event.nanos
    summarizer.push(event)
  }
  const { counts, answered, unanswered, lost } = summarizer
  const hops = summarizer.hops()
  return {
    events: trace.length,
    lost,
    firstNanos,
    lastNanos: event.nanos,
    counts,
    hops,
    answered,
    unanswered,
  }
}

class Summarizer {
  readonly counts = new Map<EventName, number>()
  readonly answered = new Histogram()
  lost = 0
  readonly #flows = new Map<number, FlowState>()
  /** By from × number of stations + to. */
  readonly #hops = new Map<number, Histogram>()

  push(event: RecordedEvent): void {
    const name = EVENT_NAMES[event.event]!
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    if (event.event === EVENTS.events_lost) this.lost += event.args[0]!
    const station = stationOf(event.event)
    if (event.flow !== 0 && station >= 0) this.#reach(event, station)
  }

  get unanswered(): number {
    return [...this.#flows.values()].filter((flow) => flow.station < ANSWERED).length
  }

  hops(): Hop[] {
    const keys = [...this.#hops.keys()].toSorted((a, b) => a - b)
    return keys.map((key) => ({
      from: STATIONS[Math.floor(key / STATIONS.length)]!,
      to: STATIONS[key % STATIONS.length]!,
      latency: this.#hops.get(key)!,
    }))
  }

  #reach(event: RecordedEvent, station: number): void {
    const flow = this.#flows.get(event.flow)
    if (flow === undefined) {
      if (station === 0) this.#flows.set(event.flow, { firstNanos: event.nanos, station, nanos: event.nanos })
      return
    }
    if (station <= flow.station) return
    this.#histogram(flow.station * STATIONS.length + station).record(event.nanos - flow.nanos)
    if (station === ANSWERED) this.answered.record(event.nanos - flow.firstNanos)
    flow.station = station
    flow.nanos = event.nanos
    if (station === STATIONS.length - 1) this.#flows.delete(event.flow)
  }

  #histogram(key: number): Histogram {
    const known = this.#hops.get(key)
    if (known !== undefined) return known
    const histogram = new Histogram()
    this.#hops.set(key, histogram)
    return histogram
  }
}
