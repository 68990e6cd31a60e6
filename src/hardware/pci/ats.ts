// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import {
  ATS_CAPABILITY,
  ATS_ENABLE,
  ATS_PAGE_ALIGNED,
  ATS_QDEP_MASK,
  ATS_STU_MASK,
  CAPABILITY_ATS,
} from './config-layout.ts'
import type { CapabilityRegisters } from './config-space.ts'

/** Invalidate Requests of one function are told apart by a 5-bit tag. */
export const ITAGS = 32

export interface AtsConfig {
  /** Invalidate Requests that the function can hold, 1 … 32. */
  readonly invalidateQueueDepth: number
}

/** The ATS capability of one function (`spec/01` §6.1, §6.3). */
export class Ats implements CapabilityRegisters {
  readonly id: number = CAPABILITY_ATS
  readonly bytes: number = 0x08
  readonly invalidateQueueDepth: number
  /** Smallest translation unit: 2^(stu + 12) bytes. Fixed while enabled. */
  stu: number
  readonly #onDisable: () => void
  /** 1: enabled. */
  #on: number

  /** `onDisable`: cached translations are no longer to be used. */
  constructor(config: AtsConfig, onDisable: () => void) {
    const depth = config.invalidateQueueDepth
    assert(depth >= 1 && depth <= ITAGS, `invalidate queue depth ${depth}`)
    this.invalidateQueueDepth = depth
    this.#on = 0
    this.stu = 0
    this.#onDisable = onDisable
  }

  get enabled(): boolean {
    return this.#on !== 0
  }

  restart(): void {
    this.#enable(false)
    this.stu = 0
  }

  read(register: number): number {
    if (register !== ATS_CAPABILITY) return 0
    const capability = (this.invalidateQueueDepth & ATS_QDEP_MASK) | ATS_PAGE_ALIGNED
    return capability | ((this.stu | (this.enabled ? ATS_ENABLE : 0)) << 16)
  }

  write(register: number, value: number, mask: number): void {
    if (register !== ATS_CAPABILITY || mask >>> 16 === 0) return
    const control = value >>> 16
    if (!this.enabled) this.stu = control & ATS_STU_MASK
    this.#enable((control & ATS_ENABLE) !== 0)
  }

  #enable(enable: boolean): void {
    const disables = this.enabled && !enable
    this.#on = enable ? 1 : 0
    if (disables) this.#onDisable()
  }
}

/** The requester's side of invalidation: which tags of one function are on their way. */
export class InvalidationTags {
  /** Bit n: tag n waits for its completion. */
  outstanding = 0
  readonly #depth: number

  constructor(depth: number) {
    this.#depth = depth
  }

  get count(): number {
    return bitCount(this.outstanding)
  }

  /** The lowest free tag, -1 when as many are outstanding as the function can hold. */
  take(): number {
    const free = ~this.outstanding
    if (free === 0) return -1
    const tag = 31 - Math.clz32(free & -free)
    if (tag >= this.#depth) return -1
    this.outstanding |= 1 << tag
    return tag
  }

  /** Number of tags that the vector completed; bits of tags that are not outstanding count for nothing. */
  complete(vector: number): number {
    const completed = this.outstanding & vector
    this.outstanding &= ~vector
    return bitCount(completed)
  }
}

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}
