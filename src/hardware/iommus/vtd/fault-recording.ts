// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import type { FaultStatus } from './fault-status.ts'
import * as layout from './layout.ts'

const { FRCD_AT_SHIFT, FRCD_EXE, FRCD_F, FRCD_PP, FRCD_PRIV, FRCD_PV_SHIFT, FRCD_T1, FRCD_T2 } = layout
const { FSTS_PFO, FSTS_PPF } = layout

/** Words of one register. */
const STRIDE: number = layout.FRCD_BYTES / 4
const WORD2 = 2
const WORD3 = 3

/** What kind of request faulted. */
export const KIND_UNTRANSLATED = 0
export const KIND_TRANSLATION_REQUEST = 1
export const KIND_PAGE_REQUEST = 2

/** Primary fault logging: the fault recording registers (VT-d 7.2.1). @spec VT-d 7.2.1 done */
export class FaultRecording {
  recorded: number
  /** Faults that no register was free for. */
  lost: number
  readonly #world: World
  readonly #status: FaultStatus
  readonly #words: Int32Array
  readonly #count: number
  /** Register of the next fault. */
  #next: number
  /** Registers with F. */
  #pending: number

  constructor(world: World, status: FaultStatus, count: number) {
    this.recorded = 0
    this.lost = 0
    this.#world = world
    this.#status = status
    this.#words = new Int32Array(count * STRIDE)
    this.#count = count
    this.#next = 0
    this.#pending = 0
  }

  /** Bytes of the registers. */
  get bytes(): number {
    return this.#words.length * 4
  }

  /** `kind`: KIND_. */
  record(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    kind: number,
  ): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.unrecoverable_fault, 0, rid, pasid, hi, lo, access, reason)
    const at = this.#next * STRIDE
    if (!this.#isFree(at)) {
      this.lost++
      return
    }
    const words = this.#words
    words[at] = lo & ~0xfff
    words[at + 1] = hi
    words[at + WORD2] = rid | prefixOf(pasid, access) | (kind === KIND_PAGE_REQUEST ? FRCD_T2 : 0)
    words[at + WORD3] = reason | (pasid === NO_PASID ? 0 : pasid << FRCD_PV_SHIFT) | typeOf(access, kind)
    this.recorded++
    this.#publish()
  }

  /** The double word at a byte offset into the registers. */
  read(offset: number): number {
    return this.#words[offset >> 2]!
  }

  /** F is RW1C, all else read only. */
  write(offset: number, value: number): void {
    const at = offset >> 2
    if (at % STRIDE !== WORD3 || (value & this.#words[at]! & FRCD_F) === 0) return
    this.#words[at] = this.#words[at]! & ~FRCD_F
    if (--this.#pending === 0) this.#status.clearPending()
  }

  /** Nothing is recorded while PFO is set; it is set when the next register still has its F. */
  #isFree(at: number): boolean {
    if (this.#status.has(FSTS_PFO)) return false
    if ((this.#words[at + WORD3]! & FRCD_F) === 0) return true
    this.#status.set(FSTS_PFO)
    return false
  }

  #publish(): void {
    const status = this.#status
    if (this.#pending++ === 0) status.recordIndex = this.#next
    this.#next = (this.#next + 1) % this.#count
    if (!status.has(FSTS_PPF)) status.set(FSTS_PPF)
  }
}

function prefixOf(pasid: number, access: number): number {
  if (pasid === NO_PASID) return 0
  return FRCD_PP | (access & ACCESS_EXEC ? FRCD_EXE : 0) | (access & ACCESS_PRIV ? FRCD_PRIV : 0)
}

/** Word 3 above the PASID: F, T1, address type. */
function typeOf(access: number, kind: number): number {
  if (kind === KIND_PAGE_REQUEST) return FRCD_F
  const type = kind === KIND_TRANSLATION_REQUEST ? 1 << FRCD_AT_SHIFT : 0
  return FRCD_F | type | (access & ACCESS_WRITE ? 0 : FRCD_T1)
}
