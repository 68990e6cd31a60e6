// SPDX-License-Identifier: MIT
/** What the lanes need from their exporter. */
export interface TrackWriter {
  /** A new track below a process; returns its uuid. */
  addLane(process: number, name: string): number
  beginSlice(lane: Lane, nanos: number, name: string): void
  endSlice(lane: Lane, nanos: number): void
}

/** A track that shows one group at a time. */
export interface Lane {
  readonly track: number
  readonly process: number
  /** Station of the hop whose slice is open; -1 before the first. */
  station: number
}

/**
 * Gives each page request group under way a track of its own, so that slices on one track always nest: the group's slice,
 * and in it one slice from each station to the next.
 */
export class FlowLanes {
  readonly #writer: TrackWriter
  readonly #open = new Map<number, Lane>()
  /** Free lanes by process. */
  readonly #free = new Map<number, Lane[]>()
  readonly #counts = new Map<number, number>()

  constructor(writer: TrackWriter) {
    this.#writer = writer
  }

  /** Nothing happens when the flow is open: a further request of its group. */
  open(flow: number, process: number, nanos: number, name: string): void {
    if (this.#open.has(flow)) return
    const lane = this.#free.get(process)?.pop() ?? this.#add(process)
    lane.station = -1
    this.#open.set(flow, lane)
    this.#writer.beginSlice(lane, nanos, name)
  }

  /** The group is at a station; an earlier one, or the same again, changes nothing. */
  reach(flow: number, station: number, nanos: number, name: string): void {
    const lane = this.#open.get(flow)
    if (lane === undefined || station <= lane.station) return
    if (lane.station >= 0) this.#writer.endSlice(lane, nanos)
    this.#writer.beginSlice(lane, nanos, name)
    lane.station = station
  }

  close(flow: number, nanos: number): void {
    const lane = this.#open.get(flow)
    if (lane === undefined) return
    if (lane.station >= 0) this.#writer.endSlice(lane, nanos)
    this.#writer.endSlice(lane, nanos)
    this.#open.delete(flow)
    const free = this.#free.get(lane.process)
    if (free === undefined) this.#free.set(lane.process, [lane])
    else free.push(lane)
  }

  closeAll(nanos: number): void {
    for (const flow of this.#open.keys()) this.close(flow, nanos)
  }

  #add(process: number): Lane {
    const number = (this.#counts.get(process) ?? 0) + 1
    this.#counts.set(process, number)
    return { track: this.#writer.addLane(process, `page request groups ${number}`), process, station: -1 }
  }
}
