// SPDX-License-Identifier: MIT
import { EFAULT, EINVAL, ENOMEM } from '../../../base/errno.ts'
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import { IOMMU_VEVENTQ_FLAG_LOST_EVENTS, VeventHeader } from '../../abi/index.ts'
import { POLL_IN, POLL_RDNORM } from '../../files.ts'
import type { UserBuffer } from '../../user-memory.ts'
import { IommufdObject, OBJECT_VEVENTQ } from '../object-table.ts'
import type { EventSink, ViommuObject } from './viommu.ts'

const HEADER_BYTES = VeventHeader.SIZE
/** Numbers go up to INT_MAX and begin again at 0. */
const SEQUENCE_MAX = 0x7fffffff

/** Header and payload, ready to be copied out. */
interface VirtualEvent {
  readonly sequence: number
  readonly bytes: Uint8Array
}

/**
 * Events of one type for the guest of a vIOMMU (`spec/02` §9). Bounded by its depth: what does not fit is lost, and one
 * marker behind the last event says so.
 */
export class VeventqObject extends IommufdObject implements EventSink {
  readonly viommu: ViommuObject
  readonly eventType: number
  readonly #world: World
  readonly #wakeLatencyNanos: number
  readonly #depth: number
  /** Oldest first. */
  readonly #events: VirtualEvent[] = []
  /** Says that events were lost after all of `#events`. */
  #lost: VirtualEvent | undefined = undefined
  /** Of the next event. */
  sequence = 0
  readonly #pollers: (() => void)[] = []
  #callback: (() => void) | undefined = undefined
  #alarm: Alarm | undefined = undefined

  /** The vIOMMU has no queue of that type yet. */
  constructor(
    viommu: ViommuObject,
    options: {
      readonly eventType: number
      readonly depth: number
      readonly world: World
      readonly wakeLatencyNanos: number
    },
  ) {
    super(OBJECT_VEVENTQ)
    this.viommu = viommu
    this.eventType = options.eventType
    this.#depth = options.depth
    this.#world = options.world
    this.#wakeLatencyNanos = options.wakeLatencyNanos
    viommu.addSink(this)
    viommu.users++
  }

  destroy(): void {
    this.#alarm?.cancel()
    this.viommu.removeSink(this)
    this.viommu.users--
  }

  /** ENOMEM: lost, as without room; then it is no error. */
  report(payload: Uint8Array): void {
    const sequence = this.sequence
    this.sequence = sequence === SEQUENCE_MAX ? 0 : sequence + 1
    const full = this.#events.length === this.#depth
    const failed = !full && this.#world.failpoints.hit('alloc_vevent')
    if (full || failed) this.#lose(sequence)
    else {
      this.#lost = undefined
      this.#events.push({ sequence, bytes: eventBytes(0, sequence, payload) })
    }
    this.#wake()
    if (failed) throw ENOMEM
  }

  /** Whole events, oldest first. Returns bytes, 0 when there are none. EINVAL: no room for the first; EFAULT, ENOMEM. */
  read(buffer: UserBuffer): number {
    if (buffer.lengthBytes < HEADER_BYTES) throw EINVAL
    let done = 0
    for (let event = this.#first; event !== undefined; event = this.#first) {
      const end = done + event.bytes.length
      if (end > buffer.lengthBytes) {
        if (done === 0) throw EINVAL
        break
      }
      try {
        this.#copyOut(event, buffer, done)
      } catch (thrown) {
        if (done === 0) throw thrown
        break
      }
      this.#drop(event)
      done = end
    }
    return done
  }

  /** Never writable. */
  poll(): number {
    return this.#first === undefined ? 0 : POLL_IN | POLL_RDNORM
  }

  /** Calls back, as a step of its own, when events came since the last call; `undefined` stops it. */
  onReadable(callback: (() => void) | undefined): void {
    this.#callback = callback
    if (callback === undefined) this.#alarm?.cancel()
    else this.#alarm ??= this.#world.clock.createAlarm('vevent_wake', () => this.#callback?.())
  }

  /** Calls back at every event, inside the step that reports it: only mark or arm something there. */
  addPoller(poller: () => void): void {
    this.#pollers.push(poller)
  }

  get #first(): VirtualEvent | undefined {
    return this.#events[0] ?? this.#lost
  }

  /** The marker goes out as a copy: ENOMEM. */
  #copyOut(event: VirtualEvent, buffer: UserBuffer, offset: number): void {
    const { failpoints } = this.#world
    if (event === this.#lost && failpoints.hit('alloc_lost_events')) throw ENOMEM
    if (failpoints.hit('copy_to_user')) throw EFAULT
    buffer.copyOut(offset, event.bytes, event.bytes.length)
  }

  #drop(event: VirtualEvent): void {
    if (event === this.#lost) this.#lost = undefined
    else this.#events.shift()
  }

  #lose(sequence: number): void {
    this.#lost = { sequence, bytes: eventBytes(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, sequence, new Uint8Array(0)) }
    if (this.#world.trace.enabled) this.#world.trace.emit(EVENTS.vevent_lost, 0, this.id, sequence)
  }

  #wake(): void {
    const alarm = this.#alarm
    if (this.#callback !== undefined && alarm !== undefined && !alarm.armed)
      alarm.arm(this.#world.decisions.latency('vevent_wake', this.#wakeLatencyNanos))
    for (const poller of this.#pollers) poller()
  }
}

function eventBytes(flags: number, sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length)
  const header = new VeventHeader()
  header.flags = flags
  header.sequence = sequence
  header.encode(new DataView(bytes.buffer), 0)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}
