// SPDX-License-Identifier: MIT
import { CONFIG_BYTES, CONFIG_EXTENDED_START, type ConfigSpace } from './config-layout.ts'

/** What stands in the header of a function. */
export interface ConfigHeaderOptions {
  readonly vendor: number
  readonly device: number
  readonly revision: number
  /** 24 bits. */
  readonly classCode: number
  /** Length of BAR 0, a power of two: memory, 32-bit. */
  readonly barBytes: number
  /** Extended capabilities, from 0x100 on: seen, not written, by a driver in user space. */
  readonly extended: ConfigSpace
}

const COMMAND = 0x04
const COMMAND_MEMORY: number = 1 << 1
const COMMAND_BUS_MASTER: number = 1 << 2
const COMMAND_INTX_DISABLE: number = 1 << 10
const STATUS_CAPABILITIES: number = 1 << 20
const BAR0 = 0x10
const SUBSYSTEM = 0x2c
const CAPABILITIES = 0x34
const INTERRUPT_LINE = 0x3c
const INTERRUPT_PIN_A = 0x100

const MSI = 0x40
const MSI_ID = 0x05
const MSI_64_BITS: number = 1 << 23
const MSI_ENABLE: number = 1 << 16
const EXPRESS = 0x60
const EXPRESS_ID = 0x10
/** Version 2, endpoint. */
const EXPRESS_FLAGS: number = 0x0002 << 16
const HEADER_BYTES = 0x100

/** The first 256 bytes of configuration space (type 0 header, MSI, PCI Express), and the capabilities behind them. */
export class ConfigHeader {
  readonly #options: ConfigHeaderOptions
  readonly #words: Int32Array = new Int32Array(HEADER_BYTES / 4)
  /** Bits that can be written. */
  readonly #writable: Int32Array = new Int32Array(HEADER_BYTES / 4)

  constructor(options: ConfigHeaderOptions) {
    this.#options = options
    this.#writable[COMMAND / 4] = COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_DISABLE
    this.#writable[BAR0 / 4] = -options.barBytes
    this.#writable[INTERRUPT_LINE / 4] = 0xff
    this.#writable[MSI / 4] = MSI_ENABLE
    this.#writable.fill(-1, MSI / 4 + 1, MSI / 4 + 4)
    this.reset()
  }

  reset(): void {
    const { vendor, device, revision, classCode } = this.#options
    const words = this.#words
    words.fill(0)
    words[0] = vendor | (device << 16)
    words[COMMAND / 4] = STATUS_CAPABILITIES
    words[2] = revision | (classCode << 8)
    words[SUBSYSTEM / 4] = 0x1af4 | (0x1100 << 16)
    words[CAPABILITIES / 4] = MSI
    words[INTERRUPT_LINE / 4] = INTERRUPT_PIN_A
    words[MSI / 4] = MSI_ID | (EXPRESS << 8) | MSI_64_BITS
    words[EXPRESS / 4] = EXPRESS_ID | EXPRESS_FLAGS
  }

  /** One byte; beyond the last one: all ones. */
  readByte(offset: number): number {
    if (offset >= CONFIG_BYTES) return 0xff
    const at = offset & ~3
    const word = at < CONFIG_EXTENDED_START ? this.#words[at / 4]! : this.#options.extended.read32(at)
    return (word >>> (8 * (offset & 3))) & 0xff
  }

  /** What cannot be written stays. */
  writeByte(offset: number, value: number): void {
    if (offset >= HEADER_BYTES) return
    const shift = 8 * (offset & 3)
    const index = offset >> 2
    const mask = this.#writable[index]! & (0xff << shift)
    this.#words[index] = (this.#words[index]! & ~mask) | ((value << shift) & mask)
  }
}
