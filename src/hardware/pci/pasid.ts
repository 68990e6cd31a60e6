// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { Ats } from './ats.ts'
import {
  CAPABILITY_PASID,
  PASID_CAPABILITY,
  PASID_CAP_EXEC,
  PASID_CAP_PRIV,
  PASID_ENABLE,
  PASID_EXEC,
  PASID_PRIV,
  PASID_WIDTH_SHIFT,
} from './config-layout.ts'
import type { CapabilityRegisters } from './config-space.ts'
import { ACCESS_EXEC, ACCESS_PRIV } from './messages.ts'

export interface PasidConfig {
  /** 1 … 20 bits. */
  readonly width: number
  readonly exec: boolean
  readonly priv: boolean
}

/** The PASID capability of one function. Its control register is fixed while ATS is enabled (`spec/01` §6.3). */
export class PasidCapability implements CapabilityRegisters {
  readonly id: number = CAPABILITY_PASID
  readonly bytes: number = 0x08
  readonly width: number
  readonly #features: number
  readonly #ats: Ats
  #control: number

  constructor(config: PasidConfig, ats: Ats) {
    assert(config.width >= 1 && config.width <= 20, `PASID width ${config.width}`)
    this.width = config.width
    this.#features = (config.exec ? PASID_CAP_EXEC : 0) | (config.priv ? PASID_CAP_PRIV : 0)
    this.#ats = ats
    this.#control = 0
  }

  get enabled(): boolean {
    return (this.#control & PASID_ENABLE) !== 0
  }

  /** Whether requests with this PASID may be sent. */
  allows(pasid: number): boolean {
    return this.enabled && pasid >= 0 && pasid < 1 << this.width
  }

  /** The ACCESS_ bits of a PASID prefix that the function may set: EXEC and PRIV where enabled. */
  get prefixAccess(): number {
    if (!this.enabled) return 0
    const exec = (this.#control & PASID_EXEC) === 0 ? 0 : ACCESS_EXEC
    return exec | ((this.#control & PASID_PRIV) === 0 ? 0 : ACCESS_PRIV)
  }

  restart(): void {
    this.#control = 0
  }

  read(register: number): number {
    if (register !== PASID_CAPABILITY) return 0
    return this.#features | (this.width << PASID_WIDTH_SHIFT) | (this.#control << 16)
  }

  write(register: number, value: number, mask: number): void {
    if (register !== PASID_CAPABILITY || mask >>> 16 === 0 || this.#ats.enabled) return
    this.#control = (value >>> 16) & (PASID_ENABLE | this.#features)
  }
}
