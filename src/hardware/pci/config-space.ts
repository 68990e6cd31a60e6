// SPDX-License-Identifier: MIT
import {
  CAPABILITY_ID_MASK,
  CAPABILITY_NEXT_SHIFT,
  CAPABILITY_VERSION_SHIFT,
  CONFIG_EXTENDED_START,
  type ConfigSpace,
} from './config-layout.ts'

/** One extended capability behind its header, in aligned 32-bit registers. */
export interface CapabilityRegisters {
  readonly id: number
  /** Length with the header, a multiple of 4. */
  readonly bytes: number
  /** `register` is an offset from the header, 4-byte aligned. */
  read(register: number): number
  /** Only the bits of `mask` were written. */
  write(register: number, value: number, mask: number): void
}

/** A function's extended configuration space: a chain of capabilities from 0x100 on. */
export class FunctionConfigSpace implements ConfigSpace {
  readonly #capabilities: readonly CapabilityRegisters[]

  constructor(capabilities: readonly CapabilityRegisters[]) {
    this.#capabilities = capabilities
  }

  findCapability(id: number): number {
    let offset = CONFIG_EXTENDED_START
    while (offset !== 0) {
      const header = this.read32(offset)
      if (header === 0) return 0
      if ((header & CAPABILITY_ID_MASK) === id) return offset
      offset = header >>> CAPABILITY_NEXT_SHIFT
    }
    return 0
  }

  read32(offset: number): number {
    let start = CONFIG_EXTENDED_START
    for (let i = 0; i < this.#capabilities.length; i++) {
      const capability = this.#capabilities[i]!
      if (offset === start) return this.#header(i, start)
      if (offset > start && offset < start + capability.bytes) return capability.read(offset - start) >>> 0
      start += capability.bytes
    }
    return 0
  }

  read16(offset: number): number {
    return (this.read32(offset & ~3) >>> ((offset & 2) * 8)) & 0xffff
  }

  write32(offset: number, value: number): void {
    this.#write(offset, value, -1)
  }

  write16(offset: number, value: number): void {
    const shift = (offset & 2) * 8
    this.#write(offset & ~3, (value & 0xffff) << shift, 0xffff << shift)
  }

  #write(offset: number, value: number, mask: number): void {
    let start = CONFIG_EXTENDED_START
    for (const capability of this.#capabilities) {
      if (offset > start && offset < start + capability.bytes) capability.write(offset - start, value, mask)
      start += capability.bytes
    }
  }

  #header(index: number, start: number): number {
    const capability = this.#capabilities[index]!
    const next = index === this.#capabilities.length - 1 ? 0 : start + capability.bytes
    return (capability.id | (1 << CAPABILITY_VERSION_SHIFT) | (next << CAPABILITY_NEXT_SHIFT)) >>> 0
  }
}
