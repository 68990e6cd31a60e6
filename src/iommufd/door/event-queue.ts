// SPDX-License-Identifier: MIT
import { IOMMU_VEVENTQ_FLAG_LOST_EVENTS, VeventHeader } from '../abi/index.ts'
import { typedError } from '../error.ts'
import type { VeventqObject } from '../objects/viommu/veventq.ts'
import { BytesBuffer } from '../user-memory.ts'
import type { Door } from './door.ts'

/** An event for the guest, or the news that some before `sequence` and itself were lost. */
export interface GuestEvent {
  readonly sequence: number
  readonly lost: boolean
  /** Its form is the driver's; empty when lost. */
  readonly payload: Uint8Array
}

/** The events of one type of a vIOMMU, and their open file. */
export class EventQueue {
  readonly id: number
  readonly fd: number
  readonly #door: Door
  readonly #object: VeventqObject

  constructor(door: Door, object: VeventqObject, fd: number) {
    this.#door = door
    this.#object = object
    this.id = object.id
    this.fd = fd
  }

  /** read(2): whole events; returns bytes, 0 when there are none. EINVAL: no room for the first (`spec/02` §9). */
  read(buffer: Uint8Array): number {
    try {
      return this.#door.caller.files.get(this.fd).read(new BytesBuffer(buffer))
    } catch (thrown) {
      throw typedError(thrown, 'eventQueue.read', { lengthBytes: buffer.length })
    }
  }

  /** All that is queued; `payloadBytes`: the length of each. */
  readEvents(payloadBytes: number): GuestEvent[] {
    const buffer = new Uint8Array(VeventHeader.SIZE + payloadBytes)
    const events: GuestEvent[] = []
    while (this.read(buffer) > 0) events.push(decode(buffer))
    return events
  }

  /** poll(2): POLL_IN | POLL_RDNORM when events are queued. */
  poll(): number {
    return this.#door.call('eventQueue.poll', { fd: this.fd }, () =>
      this.#door.caller.files.get(this.fd).poll(),
    )
  }

  /** Calls back, as a step of its own, when events came since the last call; `undefined` stops it. */
  onReadable(callback: (() => void) | undefined): void {
    this.#object.onReadable(callback)
  }

  close(): void {
    this.#door.call('eventQueue.close', { fd: this.fd }, () => this.#door.caller.files.close(this.fd))
  }

  /** EBUSY while it is open. */
  destroy(): void {
    this.#door.destroy(this.id, 'eventQueue.destroy')
  }
}

function decode(buffer: Uint8Array): GuestEvent {
  const header = VeventHeader.decode(new DataView(buffer.buffer, buffer.byteOffset), 0, new VeventHeader())
  const lost = (header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS) !== 0
  const payload = lost ? new Uint8Array(0) : buffer.slice(VeventHeader.SIZE)
  return { sequence: header.sequence, lost, payload }
}
