// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import { toBigint } from '../../base/u64.ts'
import type { Gate } from '../../sim/gate.ts'
import type { World } from '../../trace/world.ts'
import { HwptPgfault } from '../abi/index.ts'
import { typedError } from '../error.ts'
import type { FaultObject } from '../objects/fault/fault-queue.ts'

export type GroupAnswer = 'success' | 'invalid'

const RECORD_BYTES = HwptPgfault.SIZE
/** Records that one read takes at most, unless one group has more. */
const BATCH_RECORDS = 64

/** One page request as user space reads it: the ABI record's fields, and its address as a bigint. */
export class FaultRecord extends HwptPgfault {
  get address(): bigint {
    return toBigint(this.addr_hi, this.addr_lo)
  }
}

/** What batches need of a fault queue. */
export interface FaultReader {
  /** The descriptor was closed. */
  readonly closed: boolean
  readBytes(buffer: Uint8Array): number
  respond(cookie: number, answer: GroupAnswer): void
}

/** The page requests of one group: they share a cookie and get one answer. */
export class FaultGroupView {
  /** In order of arrival; only the last has LAST_PAGE. */
  readonly records: readonly FaultRecord[]
  readonly cookie: number
  readonly #reader: FaultReader

  constructor(reader: FaultReader, records: readonly FaultRecord[]) {
    this.#reader = reader
    this.records = records
    this.cookie = records[0]!.cookie
  }

  /** EINVAL when it was answered already, by anyone. */
  respond(answer: GroupAnswer): void {
    this.#reader.respond(this.cookie, answer)
  }
}

/** The groups of a fault queue as an asynchronous sequence of batches. What is queued already is taken without waiting. */
export class FaultBatches implements AsyncIterator<FaultGroupView[], undefined> {
  readonly #reader: FaultReader
  readonly #object: FaultObject
  readonly #gate: Gate<void>
  readonly #wake: () => void
  #buffer: Uint8Array = new Uint8Array(BATCH_RECORDS * RECORD_BYTES)
  #view: DataView = new DataView(this.#buffer.buffer)

  constructor(reader: FaultReader, object: FaultObject, world: World, wakeLatencyNanos: number) {
    this.#reader = reader
    this.#object = object
    const gate = world.scheduler.createGate<void>('fault_wake', wakeLatencyNanos)
    this.#gate = gate
    this.#wake = (): void => {
      if (gate.waiting) gate.open(undefined)
    }
    object.addPoller(this.#wake)
  }

  async next(): Promise<IteratorResult<FaultGroupView[], undefined>> {
    while (!this.#reader.closed) {
      if (this.#object.deliver.first !== undefined) return { done: false, value: this.#readBatch() }
      await this.#gate.wait()
    }
    return this.return()
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#object.removePoller(this.#wake)
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Neighbours with one cookie are one group. */
  #readBatch(): FaultGroupView[] {
    const bytes = this.#readGrowing()
    const groups: FaultGroupView[] = []
    let records: FaultRecord[] = []
    let cookie = -1
    for (let at = 0; at < bytes; at += RECORD_BYTES) {
      const record = new FaultRecord()
      FaultRecord.decode(this.#view, at, record)
      if (at > 0 && record.cookie === cookie) records.push(record)
      else {
        cookie = record.cookie
        records = [record]
        groups.push(new FaultGroupView(this.#reader, records))
      }
    }
    return groups
  }

  /** A group longer than the buffer is an EINVAL: the buffer grows until it fits. */
  #readGrowing(): number {
    for (;;) {
      try {
        return this.#reader.readBytes(this.#buffer)
      } catch (thrown) {
        if (thrown !== EINVAL) throw typedError(thrown, 'faultQueue.next', {})
      }
      this.#buffer = new Uint8Array(this.#buffer.length * 2)
      this.#view = new DataView(this.#buffer.buffer)
    }
  }
}
