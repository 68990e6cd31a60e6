// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import { Translation } from '../../pci/messages.ts'
import type { Smmuv3Config } from './config.ts'
import { Context, decodeContext } from './context.ts'
import { eventOfWalk } from './events-of-walks.ts'
import type { Refusal } from './fault.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import { SecondStage } from './second-stage.ts'
import type { StreamConfig } from './stream-config.ts'
import type { Streams } from './streams.ts'
import type { Walkers } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_READ, NO_PASID } = messages
const {
  ADDRESS_HI_MASK,
  L1CD_L2PTR_MASK,
  L1CD_V,
  S1DSS_BYPASS,
  S1DSS_SSID0,
  S1DSS_TERMINATE,
  S1FMT_64K_L2_4K,
  S1FMT_LINEAR,
  STE_CONFIG_BYPASS,
  STE_SHIFT,
} = layout
const { CLASS_CD, EVT_C_BAD_CD, EVT_C_BAD_SUBSTREAMID, EVT_F_CD_FETCH, EVT_F_STREAM_DISABLED } = queues

const SLOTS = 512
const NO_SID = -1

/**
 * What streams and substreams translate with, and what the unit remembers of it. Legal CDs are cached: software that
 * changes one issues CMD_CFGI_CD (or CMD_CFGI_STE, which drops the stream's CDs too) before it relies on the change.
 *
 * @spec SMMUv3 3.3.2 done
 * @spec SMMUv3 3.21 done
 */
export class Contexts {
  readonly #memory: PhysicalMemory
  readonly #config: Smmuv3Config
  readonly #walkers: Walkers
  readonly #streams: Streams
  readonly #refusal: Refusal
  readonly #slots: readonly Context[]
  readonly #secondStage: SecondStage = new SecondStage()
  readonly #found: Translation = new Translation()
  #last: Context

  constructor(
    memory: PhysicalMemory,
    config: Smmuv3Config,
    parts: { readonly walkers: Walkers; readonly streams: Streams; readonly refusal: Refusal },
  ) {
    this.#memory = memory
    this.#config = config
    this.#walkers = parts.walkers
    this.#streams = parts.streams
    this.#refusal = parts.refusal
    this.#slots = Array.from({ length: SLOTS }, () => new Context())
    this.#last = this.#slots[0]!
  }

  /** The context of a transaction; `undefined`: see the refusal. */
  find(sid: number, ssid: number): Context | undefined {
    const last = this.#last
    if (last.sid === sid && last.ssid === ssid) return last
    const slot = this.#slotOf(sid, ssid)
    if ((slot.sid !== sid || slot.ssid !== ssid) && !this.#fill(slot, sid, ssid)) return undefined
    this.#last = slot
    return slot
  }

  /** Forgets the contexts of 2^log2 streams, naturally aligned. */
  invalidate(sid: number, log2: number): void {
    for (const slot of this.#slots) {
      if (log2 >= 32 || (slot.sid ^ sid) >>> log2 === 0) slot.sid = NO_SID
    }
  }

  /** One CD: that of the substream, and what requests without substream use if it is that of substream 0. */
  invalidateContext(sid: number, ssid: number): void {
    this.#drop(sid, ssid)
    if (ssid === 0) this.#drop(sid, NO_PASID)
  }

  #drop(sid: number, ssid: number): void {
    const slot = this.#slotOf(sid, ssid)
    if (slot.sid === sid && slot.ssid === ssid) slot.sid = NO_SID
  }

  #slotOf(sid: number, ssid: number): Context {
    return this.#slots[(ssid + Math.imul(sid, 0x61)) & (SLOTS - 1)]!
  }

  #fill(slot: Context, sid: number, ssid: number): boolean {
    slot.sid = NO_SID
    const stream = this.#streams.find(sid)
    if (stream === undefined) return false
    slot.ssid = ssid
    slot.begin(stream)
    if (!this.#choose(slot, stream, ssid)) return false
    slot.sid = sid
    return true
  }

  /** @spec SMMUv3 3.9.2 done */
  #choose(slot: Context, stream: StreamConfig, ssid: number): boolean {
    if (stream.config < STE_CONFIG_BYPASS) return this.#refuse(0)
    if (!stream.hasStage1) {
      if (ssid !== NO_PASID) return this.#refuse(EVT_C_BAD_SUBSTREAMID)
      slot.setUntabled(stream)
      return true
    }
    if (ssid === NO_PASID) {
      if (stream.s1dss === S1DSS_TERMINATE) return this.#refuse(EVT_F_STREAM_DISABLED)
      if (stream.s1dss !== S1DSS_BYPASS) return this.#read(slot, stream, 0)
      slot.setUntabled(stream)
      return true
    }
    if (stream.cdBits === 0 || ssid >= 2 ** stream.cdBits) return this.#refuse(EVT_C_BAD_SUBSTREAMID)
    if (ssid === 0 && stream.s1dss === S1DSS_SSID0) return this.#refuse(EVT_F_STREAM_DISABLED)
    return this.#read(slot, stream, ssid)
  }

  #read(slot: Context, stream: StreamConfig, ssid: number): boolean {
    const word = this.#locate(stream, ssid)
    if (word < 0) return false
    const { words } = this.#memory
    if (!decodeContext(slot, words, word, stream, this.#config, this.#walkers))
      return this.#refuse(EVT_C_BAD_CD)
    return true
  }

  /** Word index of the CD, -1: none. */
  #locate(stream: StreamConfig, ssid: number): number {
    const { format, contextHi, contextLo } = stream
    if (format === S1FMT_LINEAR) return this.#word(stream, contextHi, contextLo, ssid, STE_SHIFT)
    const leafBits = format === S1FMT_64K_L2_4K ? 6 : 10
    const level1 = this.#word(stream, contextHi, contextLo, ssid >>> leafBits, 3)
    if (level1 < 0) return -1
    const { words } = this.#memory
    const lo = words[level1]!
    if ((lo & L1CD_V) === 0) {
      this.#refuse(EVT_C_BAD_SUBSTREAMID)
      return -1
    }
    const index = ssid & (2 ** leafBits - 1)
    return this.#word(stream, words[level1 + 1]! & ADDRESS_HI_MASK, lo & L1CD_L2PTR_MASK, index, STE_SHIFT)
  }

  /** Word index of entry `index` of a table, translated by stage 2 where there is one; -1: cannot be fetched. */
  #word(stream: StreamConfig, baseHi: number, baseLo: number, index: number, shift: number): number {
    const sum = (baseLo >>> 0) + index * 2 ** shift
    let hi = (baseHi + Math.floor(sum / 4294967296)) | 0
    let lo = sum | 0
    if (stream.hasStage2) {
      if (!this.#translate(stream, hi, lo)) return -1
      hi = this.#found.frame >>> 20
      lo = (this.#found.frame << 12) | (lo & 0xfff)
    }
    const word = lo >>> 2
    if (hi === 0 && word + 2 ** (shift - 2) <= this.#memory.words.length) return word
    this.#refusal.setFetch(EVT_F_CD_FETCH, hi, lo)
    return -1
  }

  #translate(stream: StreamConfig, hi: number, lo: number): boolean {
    const stage = this.#secondStage
    stage.enter(stream.stage2)
    if (stage.walk(hi, lo, ACCESS_READ, this.#found)) return true
    this.#refusal.setStage2(eventOfWalk(stage.status), CLASS_CD, hi, lo)
    return false
  }

  #refuse(event: number): false {
    this.#refusal.set(event)
    return false
  }
}
