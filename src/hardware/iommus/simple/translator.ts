// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import type { PageTableFormat } from '../../page-tables/format.ts'
import { MOCK } from '../../page-tables/formats/mock.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from '../../page-tables/formats/x86-64.ts'
import * as walks from '../../page-tables/walker.ts'
import { Walker, type WalkStatus } from '../../page-tables/walker.ts'
import * as messages from '../../pci/messages.ts'
import type { Translation } from '../../pci/messages.ts'
import type { SimpleIommuConfig } from './config.ts'
import { Iotlb } from '../iotlb.ts'
import * as layout from './layout.ts'
import { SecondStage } from './second-stage.ts'
import type { Space } from './space.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  WALK_NOT_CANONICAL,
  WALK_NOT_PRESENT,
  WALK_NO_PERMISSION,
  WALK_OK,
  WALK_RESERVED_BITS,
  WALK_SECOND_STAGE,
} = walks
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } = messages
const {
  FORMAT_MOCK,
  FORMAT_X86_64_4_LEVEL,
  FORMAT_X86_64_5_LEVEL,
  REASON_ADDRESS_SIZE,
  REASON_BLOCKED,
  REASON_NOT_CANONICAL,
  REASON_NOT_PRESENT,
  REASON_NO_EXECUTE,
  REASON_NO_READ,
  REASON_NO_WRITE,
  REASON_PRIVILEGE,
  REASON_RESERVED_BITS,
  REASON_SPACE_INVALID,
  REASON_STAGE2,
  REASON_TABLE_ACCESS,
  SPACE_IDENTITY,
  SPACE_NESTED,
  SPACE_STAGE1,
} = layout

const FORMATS: readonly (readonly [number, PageTableFormat])[] = [
  [FORMAT_MOCK, MOCK],
  [FORMAT_X86_64_4_LEVEL, X86_64_4_LEVEL],
  [FORMAT_X86_64_5_LEVEL, X86_64_5_LEVEL],
]

/** Address translation within one address space: IOTLB, then page tables. */
export class Translator {
  readonly iotlb: Iotlb
  walks: number
  readonly #memory: PhysicalMemory
  readonly #nested: boolean
  readonly #walkers: (Walker | undefined)[]
  /** Of their own: a nested walk is in the middle of a stage-1 walk when it needs one. */
  readonly #secondWalkers: (Walker | undefined)[]
  readonly #secondStage: SecondStage

  constructor(memory: PhysicalMemory, config: SimpleIommuConfig) {
    this.iotlb = new Iotlb(config.iotlbEntries)
    this.walks = 0
    this.#memory = memory
    this.#nested = config.nested
    this.#secondStage = new SecondStage()
    this.#walkers = Array.from({ length: 16 }, () => undefined)
    this.#secondWalkers = Array.from({ length: 16 }, () => undefined)
    for (const [id, format] of FORMATS) {
      if (!config.formats.includes(id)) continue
      this.#walkers[id] = new Walker(memory, format)
      this.#secondWalkers[id] = new Walker(memory, format)
    }
  }

  /** 0 with `out` filled in, or the REASON_ of the refusal. */
  translate(space: Space, hi: number, lo: number, access: number, out: Translation): number {
    if (space.type < SPACE_STAGE1) return this.#untabled(space, hi, lo, out)
    const { iotlb } = this
    const at = iotlb.find(space.domain, hi, lo, access)
    if (at >= 0) {
      out.frame = iotlb.words[at + 3]!
      out.access = iotlb.words[at]! & 15
      out.shift = 12
      out.frameOffset = 0
      return 0
    }
    const walker = this.#walkers[space.format]
    if (walker === undefined) return REASON_SPACE_INVALID
    if (space.type === SPACE_NESTED && !this.#enter(space)) return REASON_SPACE_INVALID
    this.walks++
    const status = this.#walkOnce(walker, space, hi, lo, access, out)
    if (status === WALK_NOT_PRESENT) return REASON_NOT_PRESENT
    if (status !== WALK_OK) return this.#reasonOf(walker, status, space, hi, lo, access, out)
    // Write permission is kept for writes alone: the first write must walk, to set the dirty bit.
    const granted = out.access & ((access & ACCESS_WRITE) | ACCESS_READ | ACCESS_EXEC)
    out.access = granted | (access & ACCESS_PRIV)
    out.frameOffset = walker.frameOffset
    if (out.shift >= 12) iotlb.insert(space.domain, hi, lo, out.frame, out.access)
    return 0
  }

  /** A space without a page table. */
  #untabled(space: Space, hi: number, lo: number, out: Translation): number {
    return space.type === SPACE_IDENTITY ? this.identity(hi, lo, out) : REASON_BLOCKED
  }

  identity(hi: number, lo: number, out: Translation): number {
    if (hi >>> 0 >= 1 << 11) return REASON_ADDRESS_SIZE
    const frame = (hi << 20) | (lo >>> 12)
    if (!this.#memory.exists(frame)) return REASON_ADDRESS_SIZE
    out.frame = frame
    out.shift = 12
    out.frameOffset = 0
    out.access = ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_PRIV
    return 0
  }

  /** Prepares the second stage. */
  #enter(space: Space): boolean {
    const second = this.#secondWalkers[space.stage2Format]
    if (!this.#nested || second === undefined) return false
    this.#secondStage.enter(second, space.stage2Root)
    return true
  }

  #walkOnce(
    walker: Walker,
    space: Space,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): WalkStatus {
    return space.type === SPACE_NESTED
      ? walker.walkNested(space.root, hi, lo, access, this.#secondStage, out)
      : walker.walk(space.root, hi, lo, access, out)
  }

  /** Further walks find out which permission is missing. */
  #reasonOf(
    walker: Walker,
    status: WalkStatus,
    space: Space,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    if (status === WALK_SECOND_STAGE) return REASON_STAGE2 + plainReason(this.#secondStage.status, access)
    if (status !== WALK_NO_PERMISSION) return plainReason(status, access)
    const privilege = access & ACCESS_PRIV
    if (this.#walkOnce(walker, space, hi, lo, ACCESS_READ | privilege, out) === WALK_OK)
      return plainReason(status, access & ~ACCESS_READ)
    const supervisor =
      privilege === 0 && this.#walkOnce(walker, space, hi, lo, ACCESS_READ | ACCESS_PRIV, out) === WALK_OK
    return supervisor ? REASON_PRIVILEGE : REASON_NO_READ
  }
}

function plainReason(status: WalkStatus, access: number): number {
  if (status === WALK_NOT_PRESENT) return REASON_NOT_PRESENT
  if (status === WALK_RESERVED_BITS) return REASON_RESERVED_BITS
  if (status === WALK_NOT_CANONICAL) return REASON_NOT_CANONICAL
  if (status !== WALK_NO_PERMISSION) return REASON_TABLE_ACCESS
  if ((access & ACCESS_WRITE) !== 0) return REASON_NO_WRITE
  return (access & ACCESS_EXEC) === 0 ? REASON_NO_READ : REASON_NO_EXECUTE
}
