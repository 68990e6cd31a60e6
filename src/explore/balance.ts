// SPDX-License-Identifier: MIT
import { NO_PASID } from '../hardware/pci/messages.ts'
import { FAULT_PASID_VALID, type Fault } from '../kernel/iommu/fault.ts'
import { EVENTS, REQUEST_LAST } from '../trace/events.ts'
import { RecordedEvent, type Recorder } from '../trace/recorder.ts'

/**
 * Last requests that were reported to the core less the answers that went back, for each device and PASID. Never
 * negative; and 0 at the end of a step in which the PASID was detached or given another domain.
 */
export class Balance {
  readonly #trace: Recorder
  readonly #violate: (text: string) => void
  readonly #open: Map<number, number>
  /** PASIDs whose domain changed in the step. */
  readonly #changed: Set<number>
  readonly #event: RecordedEvent
  #next: number

  constructor(trace: Recorder, violate: (text: string) => void) {
    this.#trace = trace
    this.#violate = violate
    this.#open = new Map()
    this.#changed = new Set()
    this.#event = new RecordedEvent()
    this.#next = 0
  }

  /** Over all devices and PASIDs. */
  get open(): number {
    let sum = 0
    for (const count of this.#open.values()) sum += count
    return sum
  }

  answered(rid: number, request: Fault): void {
    this.#add(keyOf(rid, (request.flags & FAULT_PASID_VALID) !== 0 ? request.pasid : NO_PASID), -1)
  }

  /** After a step: takes in what was traced since the last one. */
  settle(): void {
    const event = this.#event
    for (; this.#next < this.#trace.length; this.#next++) {
      this.#trace.read(this.#next, event)
      const key = keyOf(event.args[0]!, event.args[1]!)
      if (event.event === EVENTS.fault_reported && (event.args[5]! & REQUEST_LAST) !== 0) this.#add(key, 1)
      else if (event.event === EVENTS.detach || event.event === EVENTS.replace) this.#changed.add(key)
    }
    for (const key of this.#changed) this.#expectNone(key)
    this.#changed.clear()
    for (const [key, count] of this.#open) {
      if (count < 0) this.#violate(`${show(key)}: answered ${-count} times too often`)
    }
  }

  #expectNone(key: number): void {
    const count = this.#open.get(key) ?? 0
    if (count > 0) this.#violate(`${show(key)}: ${count} groups left open by a detach or replace`)
  }

  #add(key: number, count: number): void {
    const sum = (this.#open.get(key) ?? 0) + count
    if (sum === 0) this.#open.delete(key)
    else this.#open.set(key, sum)
  }
}

function keyOf(rid: number, pasid: number): number {
  return rid * 2 ** 21 + pasid + 1
}

function show(key: number): string {
  const pasid = (key % 2 ** 21) - 1
  return `device ${Math.floor(key / 2 ** 21).toString(16)} ${pasid === NO_PASID ? 'without PASID' : `PASID ${pasid}`}`
}
