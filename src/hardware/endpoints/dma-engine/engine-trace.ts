// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { Channel } from './channel.ts'
import { TRANSFER_OPS, TRANSFER_STATUSES, type Transfer } from './transfer.ts'

const WORD = 4294967296

/** The engine's own trace events, for a recorder that is enabled. */
export class EngineTrace {
  readonly #recorder: Recorder
  readonly #rid: number

  constructor(recorder: Recorder, rid: number) {
    this.#recorder = recorder
    this.#rid = rid
  }

  start(transfer: Transfer): void {
    const trace = this.#recorder
    const { lengthBytes, pasid, serial } = transfer
    const op = TRANSFER_OPS.indexOf(transfer.op)
    const high = (lengthBytes / WORD) | 0
    trace.emit(EVENTS.transfer_start, 0, this.#rid, pasid, serial, op, high, lengthBytes | 0)
  }

  done(transfer: Transfer): void {
    const trace = this.#recorder
    const { bytesDone, serial, faultsTaken } = transfer
    const status = TRANSFER_STATUSES.indexOf(transfer.status)
    const high = (bytesDone / WORD) | 0
    trace.emit(EVENTS.transfer_done, 0, this.#rid, serial, status, high, bytesDone | 0, faultsTaken)
  }

  dma(channel: Channel, length: number): void {
    const trace = this.#recorder
    const { pasid, source, destination } = channel
    const rid = this.#rid
    if (source.access !== 0) trace.emit(EVENTS.dma, 0, rid, pasid, source.hi, source.lo, length, ACCESS_READ)
    if (destination.access !== 0)
      trace.emit(EVENTS.dma, 0, rid, pasid, destination.hi, destination.lo, length, ACCESS_WRITE)
  }

  stopMarker(pasid: number): void {
    this.#recorder.emit(EVENTS.stop_marker, 0, this.#rid, pasid)
  }
}
