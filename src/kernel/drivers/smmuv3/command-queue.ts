// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { RegisterAccess } from '../registers.ts'
import type { QueueMemory } from './queue-memory.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { SMMU_CMDQ_CONS, SMMU_CMDQ_PROD, SMMU_GERROR, SMMU_GERRORN, GERROR_CMDQ_ERR } = layout
const {
  ATC_INV_SIZE_ALL,
  CMDQ_CONS_ERR_MASK,
  CMDQ_CONS_ERR_SHIFT,
  CMD_ATC_INV,
  CMD_CFGI_CD,
  CMD_CFGI_STE,
  CMD_LEAF,
  CMD_OPCODE_MASK,
  CMD_PRI_RESP,
  CMD_RESUME,
  CMD_SSID_SHIFT,
  CMD_SSV,
  CMD_STALL_TERM,
  CMD_SYNC,
  CMD_TLBI_NH_ASID,
  CMD_TLBI_NSNH_ALL,
  CMD_TLBI_S12_VMALL,
  PRI_RESP_SHIFT,
  TLBI_ASID_SHIFT,
  TLBI_NUM_SHIFT,
  TLBI_SCALE_SHIFT,
  TLBI_TG_4K,
  TLBI_TG_SHIFT,
} = queues
const NO_PASID_VALUE = NO_PASID

/** The driver's side of the command queue. Commands are written first and executed at `kick` or `sync`. */
export class CommandQueue {
  /** SYNCs that the unit had not finished when the driver stopped spinning: a function owes a completion. */
  unfinishedWaits = 0
  /** Commands that the unit could not execute, and the last one's CERROR_. */
  errors = 0
  lastError = 0
  readonly #trace: Recorder
  readonly #unit: RegisterAccess
  readonly #queue: QueueMemory
  readonly #words: Int32Array
  #prod = 0
  /** The unit's CONS as last read, without its error. */
  #cons = 0

  constructor(world: World, unit: RegisterAccess, queue: QueueMemory) {
    this.#trace = world.trace
    this.#unit = unit
    this.#queue = queue
    this.#words = queue.words
  }

  /** A stream's entry and all its CDs. */
  forgetStream(sid: number): void {
    this.put(CMD_CFGI_STE, sid, CMD_LEAF, 0)
  }

  forgetContext(sid: number, ssid: number): void {
    this.put(CMD_CFGI_CD | (ssid << CMD_SSID_SHIFT), sid, CMD_LEAF, 0)
  }

  tlbEverything(): void {
    this.put(CMD_TLBI_NSNH_ALL, 0, 0, 0)
  }

  tlbAsid(asid: number): void {
    this.put(CMD_TLBI_NH_ASID, asid << TLBI_ASID_SHIFT, 0, 0)
  }

  /** Stage 1 and stage 2 of a VMID. */
  tlbVmid(vmid: number): void {
    this.put(CMD_TLBI_S12_VMALL, vmid, 0, 0)
  }

  /** One page, by CMD_TLBI_NH_VA (ids: ASID and VMID) or CMD_TLBI_S2_IPA. */
  tlbPage(opcode: number, ids: number, hi: number, lo: number): void {
    this.put(opcode, ids, (lo & ~0xfff) | CMD_LEAF, hi)
  }

  /** `count` × 2^scale pages, `count` 1 … 32. */
  tlbRange(opcode: number, ids: number, hi: number, lo: number, count: number, scale: number): void {
    const range = ((count - 1) << TLBI_NUM_SHIFT) | (scale << TLBI_SCALE_SHIFT)
    this.put(opcode | range, ids, (lo & ~0xfff) | (TLBI_TG_4K << TLBI_TG_SHIFT) | CMD_LEAF, hi)
  }

  /** The function's own cache: 2^order pages. */
  invalidateAtc(sid: number, pasid: number, hi: number, lo: number, order: number): void {
    this.put(CMD_ATC_INV | this.#substream(pasid), sid, (lo & ~0xfff) | order, hi)
  }

  invalidateWholeAtc(sid: number, pasid: number): void {
    this.put(CMD_ATC_INV | this.#substream(pasid), sid, ATC_INV_SIZE_ALL, 0)
  }

  /** `action`: RESUME_ bits. */
  resume(sid: number, stag: number, action: number): void {
    this.put(CMD_RESUME | action, sid, stag, 0)
    this.kick()
  }

  /** Aborts what the stream has stalled. */
  terminateStalls(sid: number): void {
    this.put(CMD_STALL_TERM, sid, 0, 0)
  }

  /** `response`: PRI_RESP_. */
  pageResponse(sid: number, pasid: number, grpid: number, response: number): void {
    this.put(CMD_PRI_RESP | this.#substream(pasid), sid, grpid | (response << PRI_RESP_SHIFT), 0)
    this.kick()
  }

  /** The unit executes what was written. */
  kick(): void {
    this.#unit.writeRegister(SMMU_CMDQ_PROD, this.#prod)
  }

  /** Waits until everything written is executed and every invalidation is complete. */
  sync(): void {
    this.put(CMD_SYNC, 0, 0, 0)
    this.kick()
    this.#readCons()
    if (this.#cons !== this.#prod) this.unfinishedWaits++
  }

  put(word0: number, word1: number, word2: number, word3: number): void {
    const queue = this.#queue
    if (((this.#prod ^ this.#cons) & queue.mask) === queue.size) this.#makeRoom()
    if (this.#trace.enabled) {
      const index = this.#prod & (queue.size - 1)
      this.#trace.emit(EVENTS.command_queued, 0, word0 & CMD_OPCODE_MASK, index)
    }
    const words = this.#words
    const at = queue.wordOf(this.#prod)
    words[at] = word0
    words[at + 1] = word1
    words[at + 2] = word2
    words[at + 3] = word3
    this.#prod = queue.after(this.#prod)
  }

  /** The unit stopped at a wrong command: it is replaced by a SYNC, and the unit goes on. */
  readonly skipErrors = (): void => {
    const unit = this.#unit
    const isActive = (): boolean =>
      ((unit.readRegister(SMMU_GERROR) ^ unit.readRegister(SMMU_GERRORN)) & GERROR_CMDQ_ERR) !== 0
    for (let left = this.#queue.size; left > 0 && isActive(); left--) {
      const cons = unit.readRegister(SMMU_CMDQ_CONS)
      this.errors++
      this.lastError = (cons & CMDQ_CONS_ERR_MASK) >>> CMDQ_CONS_ERR_SHIFT
      const at = this.#queue.wordOf(cons)
      this.#words.fill(0, at, at + 4)
      this.#words[at] = CMD_SYNC
      unit.writeRegister(SMMU_GERRORN, unit.readRegister(SMMU_GERRORN) ^ GERROR_CMDQ_ERR)
    }
    this.#readCons()
  }

  #substream(pasid: number): number {
    return pasid === NO_PASID_VALUE ? 0 : CMD_SSV | (pasid << CMD_SSID_SHIFT)
  }

  #readCons(): void {
    this.#cons = this.#unit.readRegister(SMMU_CMDQ_CONS) & this.#queue.mask
  }

  #makeRoom(): void {
    this.kick()
    this.#readCons()
    const { mask, size } = this.#queue
    assert(
      ((this.#prod ^ this.#cons) & mask) !== size,
      'the command queue is full and the unit does not go on',
    )
  }
}
