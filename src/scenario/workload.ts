// SPDX-License-Identifier: MIT
import { hiOf, loOf } from '../base/u64.ts'
import type { DmaEngine } from '../hardware/endpoints/dma-engine/engine.ts'
import { createTransfer, type Transfer } from '../hardware/endpoints/dma-engine/transfer.ts'

/** One stream of a workload: which device copies, on whose behalf, and where the data lies in its address space. */
export interface Stream {
  readonly engine: DmaEngine
  /** NO_PASID or a PASID. */
  readonly pasid: number
  /** Address of the first byte of the stream's share, in the source and in the destination. */
  readonly source: bigint
  readonly destination: bigint
  /** Length of its share. */
  readonly lengthBytes: number
  /** Transfers of this stream that are under way at a time. */
  readonly inFlight: number
}

export interface WorkloadOptions {
  readonly chunkBytes: number
  readonly streams: readonly Stream[]
  /** Called when the last transfer has ended. */
  readonly onEnd?: () => void
}

/** Cuts each stream's share into transfers of at most one chunk; when one has ended, the stream submits its next. */
export class Workload {
  bytesDone: number
  completed: number
  failed: number
  /** Transfers that failed, by how they ended. */
  readonly failures: Map<string, number>
  readonly #options: WorkloadOptions
  readonly #transfers: number
  /** Bytes of each stream that were submitted. */
  readonly #submitted: number[]

  constructor(options: WorkloadOptions) {
    this.bytesDone = 0
    this.completed = 0
    this.failed = 0
    this.failures = new Map()
    this.#options = options
    this.#transfers = options.streams.reduce((sum, stream) => sum + this.#chunksFrom(stream, 0), 0)
    this.#submitted = options.streams.map(() => 0)
  }

  /** Every transfer has ended, one way or the other. */
  get ended(): boolean {
    return this.completed + this.failed === this.#transfers
  }

  start(): void {
    this.#options.streams.forEach((stream, index) => {
      for (let slot = 0; slot < stream.inFlight; slot++) {
        const onDone = (ended: Transfer): void => {
          this.#count(ended)
          this.#submitNext(index, ended)
        }
        this.#submitNext(index, createTransfer({ op: 'copy', pasid: stream.pasid, lengthBytes: 0, onDone }))
      }
    })
  }

  /** Submits nothing more: what was not submitted counts as failed. */
  stop(): void {
    this.#options.streams.forEach((_, index) => this.#stopStream(index))
  }

  /** The device is gone: its streams submit nothing more, what they had left counts as failed. */
  stopEngine(engine: DmaEngine): void {
    this.#options.streams.forEach((stream, index) => {
      if (stream.engine === engine) this.#stopStream(index)
    })
  }

  #stopStream(index: number): void {
    const stream = this.#options.streams[index]!
    const left = this.#chunksFrom(stream, this.#submitted[index]!)
    this.#submitted[index] = stream.lengthBytes
    if (left > 0) this.#fail('not started', left)
  }

  #chunksFrom(stream: Stream, offset: number): number {
    return Math.ceil((stream.lengthBytes - offset) / this.#options.chunkBytes)
  }

  #submitNext(index: number, transfer: Transfer): void {
    const stream = this.#options.streams[index]!
    const offset = this.#submitted[index]!
    if (offset >= stream.lengthBytes) return
    const length = Math.min(this.#options.chunkBytes, stream.lengthBytes - offset)
    this.#submitted[index] = offset + length
    const source = stream.source + BigInt(offset)
    const destination = stream.destination + BigInt(offset)
    transfer.sourceHi = hiOf(source)
    transfer.sourceLo = loOf(source)
    transfer.destinationHi = hiOf(destination)
    transfer.destinationLo = loOf(destination)
    transfer.lengthBytes = length
    stream.engine.submit(transfer)
  }

  #count(transfer: Transfer): void {
    if (transfer.status !== 'done') return this.#fail(transfer.status, 1)
    this.completed++
    this.bytesDone += transfer.lengthBytes
    this.#noteEnd()
  }

  #fail(how: string, count: number): void {
    this.failed += count
    this.failures.set(how, (this.failures.get(how) ?? 0) + count)
    this.#noteEnd()
  }

  #noteEnd(): void {
    if (this.ended) this.#options.onEnd?.()
  }
}
