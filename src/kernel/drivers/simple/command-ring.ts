// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import {
  COMMAND_ALL,
  COMMAND_CODE_SHIFT,
  COMMAND_INVALIDATE_ATC,
  COMMAND_INVALIDATE_CONTEXT,
  COMMAND_INVALIDATE_IOTLB,
  COMMAND_INVALIDATE_PASID,
  COMMAND_OPCODE_MASK,
  COMMAND_PAGE_RESPONSE,
  COMMAND_PASID_PRESENT,
  COMMAND_PRGI_SHIFT,
  COMMAND_PRIVATE_PRESENT,
  COMMAND_RANGE_ALL,
  COMMAND_RID_SHIFT,
  COMMAND_WAIT,
  REG_COMMAND_HEAD,
  REG_COMMAND_TAIL,
  RECORD_SHIFT,
  WAIT_PAGE_REQUEST_DRAIN,
} from '../../../hardware/iommus/simple/layout.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { RegisterAccess } from '../registers.ts'
import type { RingMemory } from './ring-memory.ts'

// See request-record.ts for constants that are imported constants.
const COMMAND_WORD_SHIFT: number = RECORD_SHIFT - 2
const RID_SHIFT = COMMAND_RID_SHIFT
const PASID_PRESENT = COMMAND_PASID_PRESENT
const PRIVATE_PRESENT = COMMAND_PRIVATE_PRESENT
const IOTLB = COMMAND_INVALIDATE_IOTLB
const ATC = COMMAND_INVALIDATE_ATC
const PAGE_RESPONSE = COMMAND_PAGE_RESPONSE
const CODE_SHIFT = COMMAND_CODE_SHIFT
const PRGI_SHIFT = COMMAND_PRGI_SHIFT
const NO_PASID_VALUE = NO_PASID
const WAIT = COMMAND_WAIT
const HEAD = REG_COMMAND_HEAD
const TAIL = REG_COMMAND_TAIL

/** The driver's side of the unit's command ring. Commands are written first and executed at `kick` or `sync`. */
export class CommandRing {
  /** Waits that the unit had not finished when the driver stopped spinning: a function owes a completion. */
  unfinishedWaits = 0
  readonly #trace: Recorder
  readonly #unit: RegisterAccess
  readonly #words: Int32Array
  readonly #firstWord: number
  readonly #last: number
  #tail = 0
  /** The unit's head as last read. */
  #head = 0

  constructor(world: World, unit: RegisterAccess, ring: RingMemory) {
    this.#trace = world.trace
    this.#unit = unit
    this.#words = ring.words
    this.#firstWord = ring.firstWord
    this.#last = ring.entries - 1
  }

  /** Everything cached of the device's entry and of its PASID entries. */
  invalidateContext(rid: number): void {
    this.#put(COMMAND_INVALIDATE_CONTEXT | (rid << RID_SHIFT), 0, 0, 0, 0, 0)
  }

  invalidatePasid(rid: number, pasid: number): void {
    this.#put(COMMAND_INVALIDATE_PASID | PASID_PRESENT | (rid << RID_SHIFT), pasid, 0, 0, 0, 0)
  }

  /** Translations of the tag in 2^shift bytes at the address; shift 64 is everything. */
  invalidateIotlb(tag: number, hi: number, lo: number, shift: number): void {
    this.#put(IOTLB, tag, lo, hi, shift, 0)
  }

  invalidateWholeIotlb(): void {
    this.#put(IOTLB | COMMAND_ALL, 0, 0, 0, COMMAND_RANGE_ALL, 0)
  }

  /** The function's own cache; `pasid` may be NO_PASID. */
  invalidateAtc(rid: number, pasid: number, hi: number, lo: number, shift: number): void {
    const present = pasid === NO_PASID_VALUE ? 0 : PASID_PRESENT
    const word0 = ATC | present | (rid << RID_SHIFT)
    this.#put(word0, present === 0 ? 0 : pasid, lo, hi, shift, 0)
  }

  /** PRG Response. `code` as on the wire. The private words go along when one of them is not 0. */
  pageResponse(
    rid: number,
    pasid: number,
    grpid: number,
    code: number,
    private0: number,
    private1: number,
  ): void {
    const present = pasid === NO_PASID_VALUE ? 0 : PASID_PRESENT
    const privates = (private0 | private1) === 0 ? 0 : PRIVATE_PRESENT
    const word0 = PAGE_RESPONSE | present | privates | (rid << RID_SHIFT)
    const word1 = (present === 0 ? 0 : pasid) | (code << CODE_SHIFT)
    this.#put(word0, word1, grpid << PRGI_SHIFT, 0, private0, private1)
    this.kick()
  }

  /** The unit executes what was written. */
  kick(): void {
    this.#unit.writeRegister(TAIL, this.#tail)
  }

  /** Waits until everything written is executed and every invalidation is complete. */
  sync(): void {
    this.#wait(WAIT)
  }

  /** The same, and page requests and responses on their way have arrived. */
  syncPageRequests(): void {
    this.#wait(WAIT | WAIT_PAGE_REQUEST_DRAIN)
  }

  #wait(word0: number): void {
    this.#put(word0, 0, 0, 0, 0, 0)
    this.kick()
    this.#head = this.#unit.readRegister(HEAD)
    if (this.#head !== this.#tail) this.unfinishedWaits++
  }

  /** Words 6 and 7 are zero since the ring was allocated. */
  #put(word0: number, word1: number, word2: number, word3: number, word4: number, word5: number): void {
    const tail = this.#tail
    const next = tail === this.#last ? 0 : (tail + 1) | 0
    if (next === this.#head || this.#trace.enabled) this.#prepare(next, word0)
    const words = this.#words
    const at = (this.#firstWord + (tail << COMMAND_WORD_SHIFT)) | 0
    words[at] = word0
    words[at + 1] = word1
    words[at + 2] = word2
    words[at + 3] = word3
    words[at + 4] = word4
    words[at + 5] = word5
    this.#tail = next
  }

  /** Before a command is written while it is traced or the ring looks full. */
  #prepare(next: number, word0: number): void {
    if (next === this.#head) this.#makeRoom(next)
    if (this.#trace.enabled)
      this.#trace.emit(EVENTS.command_queued, 0, word0 & COMMAND_OPCODE_MASK, this.#tail)
  }

  #makeRoom(next: number): void {
    this.kick()
    this.#head = this.#unit.readRegister(HEAD)
    assert(next !== this.#head, 'the command ring is full and the unit does not go on')
  }
}
