// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { VtdConfig } from './config.ts'
import { ContextReader, frameOf } from './contexts.ts'
import * as faults from './layout-faults.ts'
import * as tables from './layout-tables.ts'
import { type DeviceContext, NO_RID, Space } from './space.ts'
import { Tags } from './tags.ts'
import { Walkers } from './walkers.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, NO_PASID } = messages
const {
  PASID_AW_MASK,
  PASID_AW_SHIFT,
  PASID_DID_MASK,
  PASID_EAFE,
  PASID_ENTRY_WORDS,
  PASID_FPD,
  PASID_INDEX_MASK,
  PASID_P,
  PASID_PGTT_MASK,
  PASID_PGTT_SHIFT,
  PASID_RESERVED,
  PASID_SSADE,
  PASID_WORD2,
  PASID_WORD2_RESERVED,
  PASID_WORD4,
  PASID_WORD4_RESERVED,
  PASID_WORD6,
  PDIR_ENTRY_WORDS,
  PDIR_FPD,
  PDIR_P,
  PDIR_RESERVED,
  PDIR_SHIFT,
  PGTT_FIRST_STAGE,
  PGTT_NESTED,
  PGTT_PASS_THROUGH,
  PGTT_SECOND_STAGE,
} = tables
const { SCT_6, SCT_7, SCT_9, SPD_1, SPD_2, SPD_3, SPT_1, SPT_2, SPT_3, SPT_4 } = faults

const SPACE_SLOTS = 512
/** Function bits that FM has ignored: none, bit 2, bits 2:1, bits 2:0. */
const FUNCTION_BITS: readonly number[] = [0, 4, 6, 7]
const ANY_ACCESS = ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_PRIV

/**
 * PASID tables in memory and the PASID cache (VT-d 6.2.3): entries that can be used are cached. Software that changes one
 * invalidates the PASID cache, and then the IOTLB and device TLBs, before it relies on the change.
 *
 * @spec VT-d 3.4.3 done
 * @spec VT-d 6.2.3 done
 */
export class TableReader {
  readonly contexts: ContextReader
  readonly tags: Tags
  /** Why the last lookup gave nothing, and whether its fault is not to be recorded. */
  reason: number
  faultDisable: boolean
  readonly #memory: PhysicalMemory
  readonly #config: VtdConfig
  readonly #walkers: Walkers
  readonly #spaces: readonly Space[]
  #last: Space

  /** `onTagsFull`: the IOTLB's tags are given anew. */
  constructor(memory: PhysicalMemory, config: VtdConfig, onTagsFull: () => void) {
    this.contexts = new ContextReader(memory, config)
    this.tags = new Tags(1 << config.domainIdBits, () => {
      this.invalidateAllPasids()
      onTagsFull()
    })
    this.reason = 0
    this.faultDisable = false
    this.#memory = memory
    this.#config = config
    this.#walkers = new Walkers(memory, config)
    this.#spaces = Array.from({ length: SPACE_SLOTS }, () => new Space())
    this.#last = this.#spaces[0]!
  }

  /** What the requests of (rid, pasid) translate with; `undefined`: see `reason`. */
  space(rid: number, pasid: number): Space | undefined {
    const last = this.#last
    if (last.rid === rid && last.pasid === pasid) return last
    const slot = this.#spaces[(pasid + Math.imul(rid, 0x61)) & (SPACE_SLOTS - 1)]!
    if ((slot.rid !== rid || slot.pasid !== pasid) && !this.#fill(slot, rid, pasid)) return undefined
    this.#last = slot
    return slot
  }

  /** 0 when requests with the PASID may come from the device, else the reason. */
  checkPasid(device: DeviceContext, pasid: number): number {
    if (pasid === NO_PASID) return device.ridPasid < 0 ? SCT_9 : 0
    if (pasid < device.pasidEnd) return 0
    return device.pasidEnd === 0 ? SCT_6 : SCT_7
  }

  /** Context entries are looked at anew, FM (0 … 3) says of how many functions; cached PASID entries stay. */
  invalidateContext(rid: number, functionMask: number): void {
    const mask = ~FUNCTION_BITS[functionMask]!
    this.contexts.invalidate(rid, mask)
    for (const space of this.#spaces) if ((space.rid & mask) === (rid & mask)) space.rid = NO_RID
  }

  invalidateAllContexts(): void {
    this.contexts.invalidateAll()
    for (const space of this.#spaces) space.rid = NO_RID
  }

  /** Cached PASID entries of a domain; of one PASID, or `pasid` NO_PASID: all of them. */
  invalidatePasids(did: number, pasid: number): void {
    for (const space of this.#spaces)
      if (space.did === did && (pasid === NO_PASID || space.entryPasid === pasid)) forget(space)
  }

  invalidateAllPasids(): void {
    for (const space of this.#spaces) forget(space)
  }

  #fill(slot: Space, rid: number, pasid: number): boolean {
    slot.rid = NO_RID
    const { contexts } = this
    const device = contexts.device(rid)
    this.faultDisable = contexts.faultDisable
    if (device === undefined) {
      this.reason = contexts.reason
      return false
    }
    this.reason = this.checkPasid(device, pasid)
    if (this.reason !== 0) return false
    const entryPasid = pasid === NO_PASID ? device.ridPasid : pasid
    if (slot.cachedRid !== rid || slot.pasid !== pasid || slot.entryPasid !== entryPasid) {
      slot.cachedRid = NO_RID
      this.reason = this.#read(slot, device, entryPasid)
      if (this.reason !== 0) return false
    }
    this.#adopt(slot, device, rid, pasid, entryPasid)
    return true
  }

  #adopt(slot: Space, device: DeviceContext, rid: number, pasid: number, entryPasid: number): void {
    const prefixed = pasid !== NO_PASID
    slot.contextFlags = device.flags
    slot.keptAccess = prefixed ? ANY_ACCESS : ACCESS_READ | ACCESS_WRITE
    slot.addedAccess = !prefixed && device.ridPrivileged ? ACCESS_PRIV : 0
    slot.entryPasid = entryPasid
    slot.pasid = pasid
    slot.cachedRid = rid
    slot.rid = rid
  }

  /** Reads the entry of a PASID through the device's directory. */
  #read(slot: Space, device: DeviceContext, pasid: number): number {
    const { words } = this.#memory
    const index = pasid >>> PDIR_SHIFT
    const frame = device.directory + ((index * PDIR_ENTRY_WORDS) >>> 10)
    if (device.directory < 0 || !this.#memory.isRam(frame)) return SPD_1
    const at = (frame << 10) + ((index * PDIR_ENTRY_WORDS) & 1023)
    const entry = words[at]!
    if ((entry & PDIR_FPD) !== 0) this.faultDisable = true
    if ((entry & PDIR_P) === 0) return SPD_2
    if ((entry & PDIR_RESERVED) !== 0) return SPD_3
    const table = frameOf(words[at + 1]!, entry)
    if (!this.#memory.isRam(table)) return SPT_1
    return this.#decode(slot, (table << 10) + (pasid & PASID_INDEX_MASK) * PASID_ENTRY_WORDS, pasid)
  }

  #decode(slot: Space, at: number, pasid: number): number {
    const { words } = this.#memory
    const word0 = words[at]!
    const word4 = words[at + PASID_WORD4]!
    if ((word0 & PASID_FPD) !== 0) this.faultDisable = true
    if ((word0 & PASID_P) === 0) return SPT_2
    if (this.#hasReserved(at, word0, word4)) return SPT_3
    slot.faultDisable = this.faultDisable
    slot.pgtt = (word0 & PASID_PGTT_MASK) >>> PASID_PGTT_SHIFT
    slot.did = words[at + PASID_WORD2]! & PASID_DID_MASK
    slot.rules = word4
    slot.root = frameOf(words[at + PASID_WORD4 + 1]!, word4)
    slot.secondRoot = frameOf(words[at + 1]!, word0)
    if (slot.did >>> this.#config.domainIdBits !== 0 || !this.#resolve(slot, word0, word4)) return SPT_4
    slot.tag = slot.pgtt === PGTT_PASS_THROUGH ? 0 : this.tags.tagOf(slot.did, pasid, slot.pgtt)
    return 0
  }

  /** No unit here has EAFS, and SSADE needs SSADS. */
  #hasReserved(at: number, word0: number, word4: number): boolean {
    const { words } = this.#memory
    const reserved0 = PASID_RESERVED | (this.#config.dirty ? 0 : PASID_SSADE)
    let odd = (word0 & reserved0) | (words[at + PASID_WORD2]! & PASID_WORD2_RESERVED)
    odd |= word4 & (PASID_WORD4_RESERVED | PASID_EAFE)
    for (let word = PASID_WORD6; word < PASID_ENTRY_WORDS; word++) odd |= words[at + word]!
    return odd !== 0
  }

  /** Finds the walkers. `false`: the unit cannot translate so. */
  #resolve(slot: Space, word0: number, word4: number): boolean {
    const width = (word0 & PASID_AW_MASK) >>> PASID_AW_SHIFT
    const usage = (word0 & PASID_SSADE) !== 0
    const walkers = this.#walkers
    switch (slot.pgtt) {
      case PGTT_FIRST_STAGE:
        slot.walker = walkers.firstStage(word4)
        return slot.walker !== undefined
      case PGTT_SECOND_STAGE:
        slot.root = slot.secondRoot
        slot.walker = walkers.secondStage(width, usage, false)
        return slot.walker !== undefined
      case PGTT_NESTED:
        slot.walker = walkers.firstStage(word4)
        slot.secondWalker = walkers.secondStage(width, usage, true)
        return this.#config.nested && slot.walker !== undefined && slot.secondWalker !== undefined
      default:
        return slot.pgtt === PGTT_PASS_THROUGH && this.#config.passThrough
    }
  }
}

function forget(space: Space): void {
  space.rid = NO_RID
  space.cachedRid = NO_RID
}
