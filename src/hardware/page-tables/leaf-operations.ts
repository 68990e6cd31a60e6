// SPDX-License-Identifier: MIT
import type { EntryCodec } from './entry-codec.ts'
import type { LeafOperation } from './tree.ts'

/** Hears of leaves, ascending. Must not change the table from inside a call. */
export interface LeafSink {
  /**
   * A leaf of 2^shift bytes at the address (hi, lo), whose memory starts in the 4 KiB frame `frame`; `access` is what it
   * grants, 0 when it is parked.
   */
  leaf(hi: number, lo: number, shift: number, frame: number, access: number): void
}

/** Turns a leaf into a call of a sink. */
class LeafReport {
  readonly #codec: EntryCodec
  readonly #granulesPerHi: number
  readonly #shiftUp: number
  /** Shift that moves the highest address bit to the sign and back; 0 without sign extension. */
  readonly #signShift: number

  constructor(codec: EntryCodec) {
    const { granuleShift, signExtended, virtualBits } = codec.format
    this.#codec = codec
    this.#granulesPerHi = 2 ** (32 - granuleShift)
    this.#shiftUp = granuleShift
    this.#signShift = signExtended ? 64 - virtualBits : 0
  }

  send(sink: LeafSink, operation: LeafOperation, word: number, level: number): void {
    const { granule } = operation
    const low = granule & (this.#granulesPerHi - 1)
    const high = (granule - low) / this.#granulesPerHi
    const hi = (high << this.#signShift) >> this.#signShift
    const codec = this.#codec
    const shift = codec.levels.shift[level]!
    sink.leaf(hi, low << this.#shiftUp, shift, codec.frameOf(word), codec.accessOf(word))
  }
}

export class UnmapLeaf implements LeafOperation {
  readonly freesTables = true
  granule = 0
  /** Granules unmapped since `start`. */
  granules = 0
  readonly #codec: EntryCodec
  readonly #report: LeafReport
  #sink: LeafSink | undefined = undefined

  constructor(codec: EntryCodec) {
    this.#codec = codec
    this.#report = new LeafReport(codec)
  }

  start(sink: LeafSink | undefined): void {
    this.granules = 0
    this.#sink = sink
  }

  run(word: number, level: number): void {
    if (this.#sink !== undefined) this.#report.send(this.#sink, this, word, level)
    this.#codec.clear(word)
    this.granules += this.#codec.levels.span[level]!
  }
}

export class ChangeLeaf implements LeafOperation {
  readonly freesTables = false
  granule = 0
  readonly #codec: EntryCodec
  #keep = 0
  #add = 0

  constructor(codec: EntryCodec) {
    this.#codec = codec
  }

  start(keep: number, add: number): void {
    this.#keep = keep
    this.#add = add
  }

  run(word: number): void {
    this.#codec.setAccess(word, (this.#codec.accessOf(word) & this.#keep) | this.#add)
  }
}

export class HarvestLeaf implements LeafOperation {
  readonly freesTables = false
  granule = 0
  /** Leaves with the bit since `start`. */
  found = 0
  readonly #words: Int32Array
  readonly #report: LeafReport
  #bit = 0
  /** What the bit looks like when it says no. */
  #cleared = 0
  #clear = false
  #sink: LeafSink | undefined = undefined

  constructor(words: Int32Array, codec: EntryCodec) {
    this.#words = words
    this.#report = new LeafReport(codec)
  }

  /** `cleared`: the bit where it is cleared, rather than set, to say yes; else 0. */
  start(bit: number, cleared: number, clear: boolean, sink: LeafSink | undefined): void {
    this.found = 0
    this.#bit = bit
    this.#cleared = cleared
    this.#clear = clear
    this.#sink = sink
  }

  run(word: number, level: number): void {
    const lo = this.#words[word]!
    if (((lo ^ this.#cleared) & this.#bit) === 0) return
    this.found++
    if (this.#clear) this.#words[word] = (lo & ~this.#bit) | this.#cleared
    if (this.#sink !== undefined) this.#report.send(this.#sink, this, word, level)
  }
}

export class VisitLeaf implements LeafOperation {
  readonly freesTables = false
  granule = 0
  readonly #report: LeafReport
  #sink: LeafSink | undefined = undefined

  constructor(codec: EntryCodec) {
    this.#report = new LeafReport(codec)
  }

  start(sink: LeafSink): void {
    this.#sink = sink
  }

  run(word: number, level: number): void {
    this.#report.send(this.#sink!, this, word, level)
  }
}
