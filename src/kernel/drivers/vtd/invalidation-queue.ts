// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import * as layout from '../../../hardware/iommus/vtd/layout.ts'
import * as queues from '../../../hardware/iommus/vtd/layout-queues.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { RegisterAccess } from '../registers.ts'
import { descriptorIndex, type QueueMemory } from './queue-memory.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { FSTS_IQE, FSTS_REG, IQH_REG, IQT_REG } = layout
const {
  QI_CONTEXT,
  QI_CONTEXT_DEVICE,
  QI_CONTEXT_GLOBAL,
  QI_DEVICE_TLB,
  QI_DEVICE_TLB_S,
  QI_DID_SHIFT,
  QI_IOTLB,
  QI_IOTLB_DOMAIN,
  QI_IOTLB_DR,
  QI_IOTLB_DW,
  QI_IOTLB_GLOBAL,
  QI_IOTLB_PAGE,
  QI_PAGE_GROUP_RESPONSE,
  QI_PASID_CACHE,
  QI_PASID_CACHE_GLOBAL,
  QI_PASID_CACHE_PASID,
  QI_PASID_DEVICE_TLB,
  QI_PASID_DEVICE_TLB_S,
  QI_PASID_DEVICE_TLB_SID_SHIFT,
  QI_PASID_IOTLB,
  QI_PASID_IOTLB_ALL,
  QI_PASID_IOTLB_PAGE,
  QI_RESPONSE_CODE_SHIFT,
  QI_RESPONSE_PDP,
  QI_RESPONSE_PP,
  QI_RESPONSE_PRGI_SHIFT,
  QI_RESPONSE_RID_SHIFT,
  QI_TYPE_MASK,
  QI_WAIT,
  QI_WAIT_FN,
  QI_WAIT_PD,
  QI_WAIT_SW,
} = queues
const NO_PASID_VALUE = NO_PASID

/** Stands for the whole address space where a shift is asked for. */
export const EVERYTHING = 64
/** What waits store: the last of a batch, and fences in between. */
const DONE = 1
const PASSED = 2
/** Both drain reads and writes that are under way. */
const IOTLB_DRAINS = QI_IOTLB | QI_IOTLB_DW | QI_IOTLB_DR

/** The driver's side of the unit's invalidation queue. Descriptors are written first and executed at `kick` or `sync`. */
export class InvalidationQueue {
  /** Waits that the unit had not finished when the driver stopped spinning: a function owes a completion. */
  unfinishedWaits = 0
  readonly #trace: Recorder
  readonly #unit: RegisterAccess
  readonly #words: Int32Array
  readonly #firstWord: number
  readonly #mask: number
  readonly #statusWord: number
  readonly #statusLo: number
  readonly #statusHi: number
  #tail = 0
  /** The unit's head as last known. */
  #head = 0

  /** `statusFrame`: where waits store. */
  constructor(world: World, unit: RegisterAccess, queue: QueueMemory, statusFrame: number) {
    this.#trace = world.trace
    this.#unit = unit
    this.#words = queue.words
    this.#firstWord = queue.firstWord
    this.#mask = queue.mask
    this.#statusWord = statusFrame << 10
    this.#statusLo = statusFrame << 12
    this.#statusHi = statusFrame >>> 20
  }

  invalidateContext(rid: number): void {
    this.#put(QI_CONTEXT | QI_CONTEXT_DEVICE, rid, 0, 0, 0, 0)
  }

  /** Contexts, PASID entries and IOTLB of everybody, in this order. */
  invalidateAll(): void {
    this.#put(QI_CONTEXT | QI_CONTEXT_GLOBAL, 0, 0, 0, 0, 0)
    this.#put(QI_PASID_CACHE | QI_PASID_CACHE_GLOBAL, 0, 0, 0, 0, 0)
    this.#put(IOTLB_DRAINS | QI_IOTLB_GLOBAL, 0, 0, 0, 0, 0)
  }

  /** The entry of a PASID, of whichever device in the domain. */
  invalidatePasid(did: number, pasid: number): void {
    this.#put(QI_PASID_CACHE | QI_PASID_CACHE_PASID | (did << QI_DID_SHIFT), pasid, 0, 0, 0, 0)
  }

  invalidateDomain(did: number): void {
    this.#put(IOTLB_DRAINS | QI_IOTLB_DOMAIN | (did << QI_DID_SHIFT), 0, 0, 0, 0, 0)
  }

  /** 2^shift bytes of a second stage. */
  invalidateDomainPages(did: number, hi: number, lo: number, shift: number): void {
    this.#put(IOTLB_DRAINS | QI_IOTLB_PAGE | (did << QI_DID_SHIFT), 0, lo | (shift - 12), hi, 0, 0)
  }

  /** A first stage. */
  invalidatePasidIotlb(did: number, pasid: number): void {
    this.#put(QI_PASID_IOTLB | QI_PASID_IOTLB_ALL | (did << QI_DID_SHIFT), pasid, 0, 0, 0, 0)
  }

  invalidatePasidPages(did: number, pasid: number, hi: number, lo: number, shift: number): void {
    const word0 = QI_PASID_IOTLB | QI_PASID_IOTLB_PAGE | (did << QI_DID_SHIFT)
    this.#put(word0, pasid, lo | (shift - 12), hi, 0, 0)
  }

  /** The function's own cache, 2^shift bytes; `pasid` may be NO_PASID. */
  invalidateDeviceTlb(rid: number, pasid: number, hi: number, lo: number, shift: number): void {
    const hasPasid = pasid !== NO_PASID_VALUE
    const word0 = hasPasid ? QI_PASID_DEVICE_TLB | (rid << QI_PASID_DEVICE_TLB_SID_SHIFT) : QI_DEVICE_TLB
    const word1 = hasPasid ? pasid : rid
    if (shift === 12) {
      this.#put(word0, word1, lo, hi, 0, 0)
      return
    }
    const size = hasPasid ? QI_PASID_DEVICE_TLB_S : QI_DEVICE_TLB_S
    this.#put(word0, word1, lo | sizeBitsLo(shift) | size, hi | sizeBitsHi(shift), 0, 0)
  }

  /** Page-group response. The private words go along when one of them is not 0. */
  pageGroupResponse(
    rid: number,
    pasid: number,
    grpid: number,
    code: number,
    private0: number,
    private1: number,
  ): void {
    const present = pasid === NO_PASID_VALUE ? 0 : QI_RESPONSE_PP
    const privates = (private0 | private1) === 0 ? 0 : QI_RESPONSE_PDP
    const word0 = QI_PAGE_GROUP_RESPONSE | present | privates | (code << QI_RESPONSE_CODE_SHIFT)
    const word1 = present === 0 ? 0 : pasid
    this.#put(
      word0 | (rid << QI_RESPONSE_RID_SHIFT),
      word1,
      grpid << QI_RESPONSE_PRGI_SHIFT,
      0,
      private0,
      private1,
    )
    this.kick()
  }

  /** A fence, and no more: what follows waits for what precedes. */
  fence(): void {
    this.#put(QI_WAIT | QI_WAIT_SW | QI_WAIT_FN, PASSED, this.#statusLo, this.#statusHi, 0, 0)
  }

  /** The unit executes what was written. */
  kick(): void {
    this.#unit.writeRegister(IQT_REG, this.#tail)
  }

  /** Waits until everything written is executed and every device TLB has completed. */
  sync(): void {
    this.#wait(QI_WAIT | QI_WAIT_SW)
  }

  /** The same, and page requests and responses on their way have arrived. */
  syncPageRequests(): void {
    this.#wait(QI_WAIT | QI_WAIT_SW | QI_WAIT_PD)
  }

  #wait(word0: number): void {
    this.#put(word0, DONE, this.#statusLo, this.#statusHi, 0, 0)
    this.#words[this.#statusWord] = 0
    this.kick()
    if (this.#words[this.#statusWord] === DONE) this.#head = this.#tail
    else this.#unfinished()
  }

  #unfinished(): void {
    const unit = this.#unit
    assert((unit.readRegister(FSTS_REG) & FSTS_IQE) === 0, 'the unit refuses a descriptor')
    this.#head = unit.readRegister(IQH_REG)
    this.unfinishedWaits++
  }

  /** Words 6 and 7 are zero since the queue was allocated. */
  #put(word0: number, word1: number, word2: number, word3: number, word4: number, word5: number): void {
    const tail = this.#tail
    const next = (tail + queues.DESCRIPTOR_BYTES) & this.#mask
    if (next === this.#head || this.#trace.enabled) this.#prepare(next, word0)
    const words = this.#words
    const at = (this.#firstWord + (tail >> 2)) | 0
    words[at] = word0
    words[at + 1] = word1
    words[at + 2] = word2
    words[at + 3] = word3
    words[at + 4] = word4
    words[at + 5] = word5
    this.#tail = next
  }

  /** Before a descriptor is written while it is traced or the queue looks full. */
  #prepare(next: number, word0: number): void {
    if (next === this.#head) this.#makeRoom(next)
    if (this.#trace.enabled)
      this.#trace.emit(EVENTS.command_queued, 0, word0 & QI_TYPE_MASK, descriptorIndex(this.#tail))
  }

  #makeRoom(next: number): void {
    this.kick()
    this.#head = this.#unit.readRegister(IQH_REG)
    assert(next !== this.#head, 'the invalidation queue is full and the unit does not go on')
  }
}

/** Address bits that say the size 2^shift, shift above 12: ones up to bit shift - 2, then a zero (PCI Express ATS). */
function sizeBitsLo(shift: number): number {
  return (shift > 32 ? -1 : (1 << (shift - 1)) - 1) & ~0xfff
}

function sizeBitsHi(shift: number): number {
  if (shift === EVERYTHING) return 0x7fffffff
  return shift > 32 ? (1 << (shift - 33)) - 1 : 0
}
