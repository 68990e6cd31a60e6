// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import * as messages from '../../pci/messages.ts'
import type { Iotlb } from '../iotlb.ts'
import type { Smmuv3Config } from './config.ts'
import { stage1Tag, stage2Tag, TAG_STAGE1_MASK, TAG_VMID_MASK } from './context.ts'
import * as queues from './layout-queues.ts'

const {
  CMD_OPCODE_MASK,
  CMD_TLBI_NH_ALL,
  CMD_TLBI_NH_ASID,
  CMD_TLBI_NH_VA,
  CMD_TLBI_NH_VAA,
  CMD_TLBI_NSNH_ALL,
  CMD_TLBI_S12_VMALL,
  CMD_TLBI_S2_IPA,
  TLBI_ADDRESS_MASK,
  TLBI_ASID_SHIFT,
  TLBI_NUM_SHIFT,
  TLBI_RANGE_FIELD_MASK,
  TLBI_SCALE_SHIFT,
  TLBI_TG_MASK,
  TLBI_TG_SHIFT,
  TLBI_VMID_MASK,
} = queues

const EXACT = -1
const ALL_TAGS = 0
const EVERYTHING = 64
const PAGE_SHIFT = 12

/**
 * TLBI commands. Stage-2 entries are found by IPA; what was cached of both stages together goes by VA, ASID or VMID only,
 * as software has to expect (4.4.3).
 */
export class TlbInvalidation {
  readonly #trace: Recorder
  readonly #tlb: Iotlb
  readonly #config: Smmuv3Config

  constructor(trace: Recorder, tlb: Iotlb, config: Smmuv3Config) {
    this.#trace = trace
    this.#tlb = tlb
    this.#config = config
  }

  /** `false`: not one that the unit has. */
  execute(words: Int32Array, at: number): boolean {
    const opcode = words[at]! & CMD_OPCODE_MASK
    const { stage1, stage2 } = this.#config
    const word1 = words[at + 1]!
    const vmid = word1 & TLBI_VMID_MASK
    const asid = word1 >>> TLBI_ASID_SHIFT
    switch (opcode) {
      case CMD_TLBI_NSNH_ALL:
        return this.#all(0, ALL_TAGS)
      case CMD_TLBI_NH_ALL:
        return stage1 && this.#all(stage1Tag(vmid, 0), TAG_STAGE1_MASK)
      case CMD_TLBI_NH_ASID:
        return stage1 && this.#all(stage1Tag(vmid, asid), EXACT)
      case CMD_TLBI_NH_VA:
        return stage1 && this.#byAddress(words, at, stage1Tag(vmid, asid), EXACT)
      case CMD_TLBI_NH_VAA:
        return stage1 && this.#byAddress(words, at, stage1Tag(vmid, 0), TAG_STAGE1_MASK)
      case CMD_TLBI_S12_VMALL:
        return stage2 && this.#all(stage1Tag(vmid, 0), TAG_VMID_MASK)
      case CMD_TLBI_S2_IPA:
        return stage2 && this.#byAddress(words, at, stage2Tag(vmid), EXACT)
      default:
        return false
    }
  }

  #all(tag: number, mask: number): true {
    this.#drop(tag, mask, 0, 0, EVERYTHING)
    return true
  }

  /** One page; or (NUM + 1) × 2^SCALE of them where TG says which. */
  #byAddress(words: Int32Array, at: number, tag: number, mask: number): boolean {
    const word0 = words[at]!
    const word2 = words[at + 2]!
    const hi = words[at + 3]!
    const lo = word2 & TLBI_ADDRESS_MASK
    const granule = (word2 >>> TLBI_TG_SHIFT) & TLBI_TG_MASK
    if (granule === 0 || !this.#config.rangeInvalidation) {
      this.#drop(tag, mask, hi, lo, PAGE_SHIFT)
      return true
    }
    const num = (word0 >>> TLBI_NUM_SHIFT) & TLBI_RANGE_FIELD_MASK
    const scale = (word0 >>> TLBI_SCALE_SHIFT) & TLBI_RANGE_FIELD_MASK
    const granuleShift = PAGE_SHIFT + 2 * (granule - 1)
    this.#range(tag, mask, hi, lo, (num + 1) * 2 ** (scale + granuleShift - PAGE_SHIFT))
    return true
  }

  /** In naturally aligned blocks. */
  #range(tag: number, mask: number, hi: number, lo: number, pages: number): void {
    let page = (hi >>> 0) * 1048576 + (lo >>> PAGE_SHIFT)
    const end = page + pages
    while (page < end) {
      let order = 0
      while (page % 2 ** (order + 1) === 0 && page + 2 ** (order + 1) <= end) order++
      this.#drop(tag, mask, (page / 1048576) | 0, page << PAGE_SHIFT, PAGE_SHIFT + order)
      page += 2 ** order
    }
  }

  #drop(tag: number, mask: number, hi: number, lo: number, shift: number): void {
    const trace = this.#trace
    if (trace.enabled) {
      const pages = 2 ** (shift - PAGE_SHIFT)
      const pagesHi = (pages / 4294967296) | 0
      trace.emit(EVENTS.iotlb_invalidate, 0, tag, messages.NO_PASID, hi, lo, pagesHi, pages | 0)
    }
    if (mask === EXACT) this.#tlb.invalidate(tag, hi, lo, shift)
    else this.#tlb.invalidateMatching(tag, mask, hi, lo, shift)
  }
}
