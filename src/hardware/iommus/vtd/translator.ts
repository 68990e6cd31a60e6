// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as walks from '../../page-tables/walker.ts'
import type { WalkStatus, Walker } from '../../page-tables/walker.ts'
import * as messages from '../../pci/messages.ts'
import type { Translation } from '../../pci/messages.ts'
import { Iotlb } from '../iotlb.ts'
import { guestAddressBits, type VtdConfig } from './config.ts'
import * as layout from './layout.ts'
import * as faults from './layout-faults.ts'
import * as tables from './layout-tables.ts'
import { firstStageReason, nestedReason, secondStageReason } from './reasons.ts'
import { SecondStage } from './second-stage.ts'
import type { Space } from './space.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { WALK_NO_PERMISSION, WALK_OK, WALK_SECOND_STAGE } = walks
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } = messages
const { INTERRUPT_RANGE, INTERRUPT_RANGE_SHIFT } = layout
const { PASID_ERE, PASID_SRE, PGTT_NESTED, PGTT_PASS_THROUGH, PGTT_SECOND_STAGE } = tables
const { SGN_2, SGN_4, SGN_7, SGN_8, SPT_5, SPT_6 } = faults

/**
 * Address translation with one PASID entry: IOTLB (VT-d 6.2.4), then page tables.
 *
 * @spec VT-d 3.6 done
 * @spec VT-d 3.7 done
 * @spec VT-d 6.2.4 done
 * @spec VT-d 6.2.5 done
 */
export class Translator {
  readonly iotlb: Iotlb
  walks: number
  readonly #memory: PhysicalMemory
  readonly #secondStage: SecondStage
  /** Bits of the high double word that no guest address has. */
  readonly #beyondHi: number

  constructor(memory: PhysicalMemory, config: VtdConfig) {
    this.iotlb = new Iotlb(config.iotlbEntries)
    this.walks = 0
    this.#memory = memory
    this.#secondStage = new SecondStage()
    this.#beyondHi = -1 << (guestAddressBits(config) - 32)
  }

  /** 0 with `out` filled in, or the fault reason. `access`: the request's own. */
  translate(space: Space, hi: number, lo: number, access: number, out: Translation): number {
    const wanted = (access & space.keptAccess) | space.addedAccess
    if (space.pgtt === PGTT_PASS_THROUGH) return this.#passThrough(space, hi, lo, wanted, out)
    const { iotlb } = this
    const at = iotlb.find(space.tag, hi, lo, wanted)
    if (at >= 0) {
      out.frame = iotlb.words[at + 3]!
      out.access = iotlb.words[at]! & 15
      out.shift = 12
      out.frameOffset = 0
      return 0
    }
    const refused = this.#refusal(space, hi, lo, wanted)
    if (refused !== 0) return refused
    this.walks++
    const status = this.#walk(space, hi, lo, wanted, out)
    if (status !== WALK_OK) return this.#reasonOf(space, status, hi, lo, wanted, out)
    // Write permission is kept for writes alone: the first write must walk, to set the dirty bit.
    const granted = out.access & ((wanted & ACCESS_WRITE) | ACCESS_READ | ACCESS_EXEC)
    out.access = (granted & this.#executable(space)) | (wanted & ACCESS_PRIV)
    out.frameOffset = 0
    iotlb.insert(space.tag, hi, lo, out.frame, out.access)
    return 0
  }

  /** Without translation, addresses are physical. SGN_4: nothing is there. */
  identity(hi: number, lo: number, out: Translation): number {
    if (hi >>> 11 !== 0) return SGN_4
    const frame = (hi << 20) | (lo >>> 12)
    if (!this.#memory.exists(frame)) return SGN_4
    out.frame = frame
    out.shift = 12
    out.frameOffset = 0
    out.access = ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_PRIV
    return 0
  }

  #passThrough(space: Space, hi: number, lo: number, wanted: number, out: Translation): number {
    const refused = this.#refusal(space, hi, lo, wanted)
    return refused === 0 ? this.identity(hi, lo, out) : refused
  }

  /** What is refused before any table is read; nothing of it gets into the IOTLB. */
  #refusal(space: Space, hi: number, lo: number, wanted: number): number {
    if (hi === 0 && lo >>> INTERRUPT_RANGE_SHIFT === INTERRUPT_RANGE) return SGN_8
    if ((wanted & ACCESS_EXEC) !== 0 && (space.rules & PASID_ERE) === 0) return SPT_5
    if ((wanted & ACCESS_PRIV) !== 0 && (space.rules & PASID_SRE) === 0) return SPT_6
    return space.pgtt === PGTT_SECOND_STAGE && (hi & this.#beyondHi) !== 0 ? SGN_4 : 0
  }

  #executable(space: Space): number {
    return (space.rules & PASID_ERE) === 0 ? ~ACCESS_EXEC : -1
  }

  #walk(space: Space, hi: number, lo: number, access: number, out: Translation): WalkStatus {
    if (space.pgtt !== PGTT_NESTED) return space.walker!.walk(space.root, hi, lo, access, out)
    this.#secondStage.enter(space.secondWalker!, space.secondRoot)
    return space.walker!.walkNested(space.root, hi, lo, access, this.#secondStage, out)
  }

  /** Further walks find out which permission is missing. */
  #reasonOf(
    space: Space,
    status: WalkStatus,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const walker: Walker = space.walker!
    if (status === WALK_SECOND_STAGE) return nestedReason(this.#secondStage, access)
    const atTop = walker.failedLevel === walker.format.levels - 1
    const reason = space.pgtt === PGTT_SECOND_STAGE ? secondStageReason : firstStageReason
    if (status !== WALK_NO_PERMISSION) return reason(status, atTop, access)
    const privilege = access & ACCESS_PRIV
    if (this.#walk(space, hi, lo, ACCESS_READ | privilege, out) === WALK_OK)
      return reason(status, atTop, access & ~ACCESS_READ)
    const supervisor =
      privilege === 0 && this.#walk(space, hi, lo, ACCESS_READ | ACCESS_PRIV, out) === WALK_OK
    return supervisor ? SGN_2 : SGN_7
  }
}
