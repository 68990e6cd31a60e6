// SPDX-License-Identifier: MIT
import type { Recorder } from '../../../trace/recorder.ts'
import type { PhysicalMemory } from '../../memory.ts'
import { type Channel, OP_COPY } from './channel.ts'
import type { DmaEngineCounters } from './counters.ts'
import type { TranslationClient } from './translation-client.ts'

const PAGE = 4096
/** Pages translated at a time. */
const AHEAD_PAGES = 64
/** A longer transfer does not fit into a processor's second-level cache. */
const CACHED_BYTES = 1 << 19

/** The short way through copies of many pages: whole pages are translated first and copied then. */
export class LongCopies {
  readonly #recorder: Recorder
  readonly #memory: PhysicalMemory
  readonly #translations: TranslationClient
  readonly #counters: DmaEngineCounters
  readonly #from: Int32Array
  readonly #to: Int32Array

  constructor(
    recorder: Recorder,
    memory: PhysicalMemory,
    translations: TranslationClient,
    counters: DmaEngineCounters,
  ) {
    this.#recorder = recorder
    this.#memory = memory
    this.#translations = translations
    this.#counters = counters
    this.#from = new Int32Array(AHEAD_PAGES)
    this.#to = new Int32Array(AHEAD_PAGES)
  }

  /** Moves up to `most` pages, but the last of the transfer, as far as nothing is in the way. Returns how many. */
  copy(channel: Channel, most: number): number {
    const { source, destination } = channel
    if (channel.op !== OP_COPY || ((source.lo | destination.lo) & (PAGE - 1)) !== 0) return 0
    if (channel.retrying !== 0 || channel.list !== undefined || this.#recorder.enabled) return 0
    const wanted = Math.min(most, AHEAD_PAGES, Math.ceil(channel.remaining / PAGE) - 1)
    const from = this.#translations.lookAhead(channel, source, this.#from, wanted)
    const to = this.#translations.lookAhead(channel, destination, this.#to, from)
    const pages = this.#memory.copyFrames(
      this.#to,
      this.#from,
      to,
      channel.transfer!.lengthBytes <= CACHED_BYTES,
    )
    if (pages === 0) return 0
    const bytes = pages * PAGE
    channel.advance(bytes)
    channel.unpaidPages += pages
    channel.transfer!.bytesDone += bytes
    this.#counters.pagesMoved += pages
    this.#counters.bytesMoved += bytes
    return pages
  }
}
