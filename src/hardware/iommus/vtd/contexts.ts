// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import type { VtdConfig } from './config.ts'
import { RTADDR_TTM_MASK, RTADDR_TTM_SCALABLE } from './layout.ts'
import * as faults from './layout-faults.ts'
import * as tables from './layout-tables.ts'
import { DeviceContext, NO_RID } from './space.ts'

const { SCT_1, SCT_2, SCT_3, SCT_4, SRTA_1, SRT_1, SRT_2, SRT_3 } = faults
const {
  CONTEXT_DTE,
  CONTEXT_ENTRY_WORDS,
  CONTEXT_FPD,
  CONTEXT_P,
  CONTEXT_PASIDE,
  CONTEXT_PDTS_MASK,
  CONTEXT_PDTS_SHIFT,
  CONTEXT_PRE,
  CONTEXT_RESERVED,
  CONTEXT_RID_PASID_MASK,
  CONTEXT_RID_PRIV,
  CONTEXT_WORD2,
  CONTEXT_WORD2_RESERVED,
  PDIR_SHIFT,
  ROOT_ENTRY_WORDS,
  ROOT_P,
  ROOT_RESERVED,
  ROOT_UPPER,
} = tables

const CONTEXT_SLOTS = 64
/** 2^n entries in the smallest PASID directory. */
const DIRECTORY_SHIFT_MIN = 7

/**
 * Root and context entries in memory and the context cache (VT-d 6.2.2): software that changes one invalidates the
 * context cache, and then the PASID cache and the TLBs. @spec VT-d 6.2.2 done
 */
export class ContextReader {
  /** RTADDR_REG as GCMD.SRTP latched it. */
  rootHi: number
  rootLo: number
  /** Why the last lookup gave nothing, and whether its fault is not to be recorded. */
  reason: number
  faultDisable: boolean
  readonly #memory: PhysicalMemory
  readonly #config: VtdConfig
  readonly #slots: readonly DeviceContext[]

  constructor(memory: PhysicalMemory, config: VtdConfig) {
    this.rootHi = 0
    this.rootLo = 0
    this.reason = 0
    this.faultDisable = false
    this.#memory = memory
    this.#config = config
    this.#slots = Array.from({ length: CONTEXT_SLOTS }, () => new DeviceContext())
  }

  /** The device's entry; `undefined`: see `reason`. */
  device(rid: number): DeviceContext | undefined {
    const slot = this.#slots[rid & (CONTEXT_SLOTS - 1)]!
    if (slot.rid !== rid) {
      slot.rid = NO_RID
      this.faultDisable = false
      this.reason = this.#read(slot, rid)
      if (this.reason !== 0) return undefined
      slot.rid = rid
    }
    this.faultDisable = (slot.flags & CONTEXT_FPD) !== 0
    return slot
  }

  /** Entries whose requester id agrees in the bits of `mask`. */
  invalidate(rid: number, mask: number): void {
    for (const slot of this.#slots) if ((slot.rid & mask) === (rid & mask)) slot.rid = NO_RID
  }

  invalidateAll(): void {
    for (const slot of this.#slots) slot.rid = NO_RID
  }

  #read(slot: DeviceContext, rid: number): number {
    const { words } = this.#memory
    if ((this.rootLo & RTADDR_TTM_MASK) !== RTADDR_TTM_SCALABLE) return SRTA_1
    const table = frameOf(this.rootHi, this.rootLo)
    if (!this.#memory.isRam(table)) return SRT_1
    const upper = (rid & 0x80) === 0 ? 0 : ROOT_UPPER
    const at = (table << 10) + (rid >>> 8) * ROOT_ENTRY_WORDS + upper
    const entry = words[at]!
    if ((entry & ROOT_P) === 0) return SRT_2
    if ((entry & ROOT_RESERVED) !== 0) return SRT_3
    const context = frameOf(words[at + 1]!, entry)
    if (!this.#memory.isRam(context)) return SCT_1
    return this.#decode(slot, (context << 10) + (rid & 0x7f) * CONTEXT_ENTRY_WORDS)
  }

  #decode(slot: DeviceContext, at: number): number {
    const { words } = this.#memory
    const flags = words[at]!
    const word2 = words[at + CONTEXT_WORD2]!
    this.faultDisable = (flags & CONTEXT_FPD) !== 0
    if ((flags & CONTEXT_P) === 0) return SCT_2
    let odd = (flags & CONTEXT_RESERVED) | (word2 & CONTEXT_WORD2_RESERVED)
    for (let word = CONTEXT_WORD2 + 1; word < CONTEXT_ENTRY_WORDS; word++) odd |= words[at + word]!
    if (odd !== 0) return SCT_3
    if ((flags & this.#unsupported()) !== 0) return SCT_4
    const shift = ((flags & CONTEXT_PDTS_MASK) >>> CONTEXT_PDTS_SHIFT) + DIRECTORY_SHIFT_MIN
    const ridPasid = word2 & CONTEXT_RID_PASID_MASK
    const pasids = 2 ** (shift + PDIR_SHIFT)
    slot.flags = flags
    slot.directory = frameOf(words[at + 1]!, flags)
    slot.pasidEnd = (flags & CONTEXT_PASIDE) === 0 ? 0 : Math.min(pasids, 2 ** this.#config.pasidBits)
    slot.ridPasid = ridPasid < pasids ? ridPasid : -1
    slot.ridPrivileged = (word2 & CONTEXT_RID_PRIV) !== 0
    return 0
  }

  /** Features that an entry must not ask of this unit; page requests come from device TLBs only. */
  #unsupported(): number {
    const { ats, pri, pasidBits } = this.#config
    return (ats ? 0 : CONTEXT_DTE) | (pri ? 0 : CONTEXT_PRE) | (pasidBits > 0 ? 0 : CONTEXT_PASIDE)
  }
}

/** Frame of a 64-bit address, -1 beyond all memory. */
export function frameOf(hi: number, lo: number): number {
  return hi >>> 11 === 0 ? (hi << 20) | (lo >>> 12) : -1
}
