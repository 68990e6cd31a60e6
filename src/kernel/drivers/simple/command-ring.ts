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
  WAIT_PAGE_REQUEST_DRAIN,
} from '../../../hardware/iommus/simple/layout.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import type { RegisterAccess } from './registers.ts'
import type { RingMemory } from './ring-memory.ts'

/** The driver's side of the unit's command ring. Commands are written first and executed at `kick` or `sync`. */
export class CommandRing {
  /** Waits that the unit had not finished when the driver stopped spinning: a function owes a completion. */
  unfinishedWaits = 0
  readonly #world: World
  readonly #unit: RegisterAccess
  readonly #ring: RingMemory
  #tail = 0
  /** The unit's head as last read. */
  #head = 0

  constructor(world: World, unit: RegisterAccess, ring: RingMemory) {
    this.#world = world
    this.#unit = unit
    this.#ring = ring
  }

  /** Everything cached of the device's entry and of its PASID entries. */
  invalidateContext(rid: number): void {
    this.#put(COMMAND_INVALIDATE_CONTEXT | (rid << COMMAND_RID_SHIFT), 0, 0, 0, 0, 0)
  }

  invalidatePasid(rid: number, pasid: number): void {
    this.#put(
      COMMAND_INVALIDATE_PASID | COMMAND_PASID_PRESENT | (rid << COMMAND_RID_SHIFT),
      pasid,
      0,
      0,
      0,
      0,
    )
  }

  /** Translations of the tag in 2^shift bytes at the address; shift 64 is everything. */
  invalidateIotlb(tag: number, hi: number, lo: number, shift: number): void {
    this.#put(COMMAND_INVALIDATE_IOTLB, tag, lo, hi, shift, 0)
  }

  invalidateWholeIotlb(): void {
    this.#put(COMMAND_INVALIDATE_IOTLB | COMMAND_ALL, 0, 0, 0, COMMAND_RANGE_ALL, 0)
  }

  /** The function's own cache; `pasid` may be NO_PASID. */
  invalidateAtc(rid: number, pasid: number, hi: number, lo: number, shift: number): void {
    const present = pasid === NO_PASID ? 0 : COMMAND_PASID_PRESENT
    const word0 = COMMAND_INVALIDATE_ATC | present | (rid << COMMAND_RID_SHIFT)
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
    const present = pasid === NO_PASID ? 0 : COMMAND_PASID_PRESENT
    const privates = (private0 | private1) === 0 ? 0 : COMMAND_PRIVATE_PRESENT
    const word0 = COMMAND_PAGE_RESPONSE | present | privates | (rid << COMMAND_RID_SHIFT)
    const word1 = (present === 0 ? 0 : pasid) | (code << COMMAND_CODE_SHIFT)
    this.#put(word0, word1, grpid << COMMAND_PRGI_SHIFT, 0, private0, private1)
    this.kick()
  }

  /** The unit executes what was written. */
  kick(): void {
    this.#unit.writeRegister(REG_COMMAND_TAIL, this.#tail)
  }

  /** Waits until everything written is executed and every invalidation is complete. */
  sync(): void {
    this.#wait(COMMAND_WAIT)
  }

  /** The same, and page requests and responses on their way have arrived. */
  syncPageRequests(): void {
    this.#wait(COMMAND_WAIT | WAIT_PAGE_REQUEST_DRAIN)
  }

  #wait(word0: number): void {
    this.#put(word0, 0, 0, 0, 0, 0)
    this.kick()
    this.#head = this.#unit.readRegister(REG_COMMAND_HEAD)
    if (this.#head !== this.#tail) this.unfinishedWaits++
  }

  #put(word0: number, word1: number, word2: number, word3: number, word4: number, word5: number): void {
    const ring = this.#ring
    const next = ring.after(this.#tail)
    if (next === this.#head) this.#makeRoom(next)
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.command_queued, 0, word0 & COMMAND_OPCODE_MASK, this.#tail)
    const { words } = ring
    const at = ring.wordOf(this.#tail)
    words[at] = word0
    words[at + 1] = word1
    words[at + 2] = word2
    words[at + 3] = word3
    words[at + 4] = word4
    words[at + 5] = word5
    words[at + 6] = 0
    words[at + 7] = 0
    this.#tail = next
  }

  #makeRoom(next: number): void {
    this.kick()
    this.#head = this.#unit.readRegister(REG_COMMAND_HEAD)
    assert(next !== this.#head, 'the command ring is full and the unit does not go on')
  }
}
