// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as walks from '../../page-tables/walker.ts'
import type { WalkStatus } from '../../page-tables/walker.ts'
import * as messages from '../../pci/messages.ts'
import type { Translation } from '../../pci/messages.ts'
import { Iotlb } from '../iotlb.ts'
import type { Smmuv3Config } from './config.ts'
import * as contexts from './context.ts'
import type { Context } from './context.ts'
import { eventOfWalk } from './events-of-walks.ts'
import type { Refusal } from './fault.ts'
import * as queues from './layout-queues.ts'
import { SecondStage } from './second-stage.ts'
import type { TableBase } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { WALK_OK, WALK_SECOND_STAGE } = walks
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } = messages
const { KIND_BYPASS, KIND_NESTED, KIND_STAGE2 } = contexts
const { CLASS_IN, EVT_F_ADDR_SIZE, EVT_F_TRANSLATION } = queues

/** Bit 55 says which half of the address space an address is in. */
const UPPER_HALF = 1 << 23
/** What may be cached of a page: write permission only once it was written, so that the first write sets the dirty state. */
const ALWAYS = ACCESS_READ | ACCESS_EXEC

/**
 * Address translation within one context: TLB, then tables.
 *
 * @spec SMMUv3 3.4 partly: no 52-bit addresses
 */
export class Translator {
  readonly tlb: Iotlb
  walks: number
  readonly #memory: PhysicalMemory
  readonly #refusal: Refusal
  readonly #secondStage: SecondStage
  readonly #addressBits: number

  constructor(memory: PhysicalMemory, config: Smmuv3Config, refusal: Refusal) {
    this.tlb = new Iotlb(config.tlbEntries)
    this.walks = 0
    this.#memory = memory
    this.#refusal = refusal
    this.#secondStage = new SecondStage()
    this.#addressBits = config.addressBits
  }

  /** 0 with `out` filled in, or the EVT_ of the refusal, whose details stand in the refusal. */
  translate(context: Context, hi: number, lo: number, access: number, out: Translation): number {
    const { kind, tag } = context
    if (kind === KIND_BYPASS) return this.identity(hi, lo, out)
    const { tlb } = this
    const at = tlb.find(tag, hi, lo, access)
    if (at >= 0) {
      out.frame = tlb.words[at + 3]!
      out.access = tlb.words[at]! & 15
      out.shift = 12
      out.frameOffset = 0
      return 0
    }
    this.walks++
    const event =
      kind === KIND_STAGE2
        ? this.#stage2(context, hi, lo, access, out)
        : this.#stage1(context, hi, lo, access, out)
    if (event !== 0) return event
    out.access = (out.access & (ALWAYS | (access & ACCESS_WRITE))) | (access & ACCESS_PRIV)
    out.frameOffset = 0
    tlb.insert(tag, hi, lo, out.frame, out.access)
    return 0
  }

  /** Bypass: addresses are physical. */
  identity(hi: number, lo: number, out: Translation): number {
    if (hi >>> (this.#addressBits - 32) !== 0) return this.#refusal.set(EVT_F_ADDR_SIZE)
    out.frame = (hi << 20) | (lo >>> 12)
    out.shift = 12
    out.frameOffset = 0
    out.access = ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_PRIV
    return 0
  }

  #stage2(context: Context, hi: number, lo: number, access: number, out: Translation): number {
    const stage = this.#secondStage
    stage.enter(context.stage2)
    if (stage.walk(hi, lo, access & ~ACCESS_PRIV, out)) return 0
    return this.#refusal.setStage2(eventOfWalk(stage.status), CLASS_IN, hi, lo)
  }

  #stage1(context: Context, hi: number, lo: number, access: number, out: Translation): number {
    const upper = (hi & UPPER_HALF) !== 0
    const table = upper ? context.table1 : context.table0
    const ignored = upper ? context.topByteIgnored1 : context.topByteIgnored0
    const inputHi = ignored ? (hi << 8) >> 8 : hi
    const covered = upper ? table.covers(~inputHi, ~lo) : table.covers(inputHi, lo)
    if (!covered || table.walker === undefined) return this.#refusal.set(EVT_F_TRANSLATION)
    const status = upper
      ? this.#walk(
          context,
          table,
          inputHi & (2 ** Math.max(0, table.bits - 32) - 1),
          lowBits(table, lo),
          access,
          out,
        )
      : this.#walk(context, table, inputHi, lo, access, out)
    if (status === WALK_OK) return 0
    if (status !== WALK_SECOND_STAGE) return this.#refusal.set(eventOfWalk(status))
    const stage = this.#secondStage
    return this.#refusal.setStage2(eventOfWalk(stage.status), stage.class, stage.ipaHi, stage.ipaLo)
  }

  #walk(
    context: Context,
    table: TableBase,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): WalkStatus {
    const walker = table.walker!
    let { root } = table
    let walkHi = hi
    let walkLo = lo
    if (!table.plain) {
      table.locate(hi, lo)
      root = table.rootOf
      walkHi = table.hiOf
      walkLo = table.loOf
    }
    if (context.kind !== KIND_NESTED) return walker.walk(root, walkHi, walkLo, access, out)
    this.#secondStage.enter(context.stage2)
    return walker.walkNested(root, walkHi, walkLo, access, this.#secondStage, out)
  }

  /** Whether a frame exists that a translation led to. */
  exists(frame: number): boolean {
    return this.#memory.exists(frame)
  }
}

/** Of an address in the upper half, the part that indexes tables. */
function lowBits({ bits }: TableBase, lo: number): number {
  return bits < 32 ? lo & ((1 << bits) - 1) : lo
}
