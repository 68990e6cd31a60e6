// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../../sim/clock.ts'
import type { World } from '../../../../trace/world.ts'
import { NO_PASID } from '../../../pci/messages.ts'
import type { DmaEngine } from '../engine.ts'
import { createTransfer, type Transfer } from '../transfer.ts'
import { PASID_MASK, PASID_VALID, type PciIdentity, type RegisterSet, statusCode } from './register-set.ts'

const BAR_BYTES = 2 ** 20
const BUFFER_START = 0x40000
const BUFFER_BYTES = 4096
/** Registers from here on may be accessed with 8 bytes. */
const WIDE_START = 0x80

const ID = 0x00
const ID_VALUE = 0x010000ed
const LIVENESS = 0x04
const FACTORIAL = 0x08
const STATUS = 0x20
const STATUS_COMPUTING = 0x01
const STATUS_RAISE = 0x80
const INTERRUPT_STATUS = 0x24
const INTERRUPT_RAISE = 0x60
const INTERRUPT_ACKNOWLEDGE = 0x64
const DMA_SOURCE = 0x80
const DMA_DESTINATION = 0x88
const DMA_COUNT = 0x90
const DMA_COMMAND = 0x98
const COMMAND_START = 0x01
const COMMAND_TO_RAM = 0x02
const COMMAND_RAISE = 0x04
/** Ours: PASID that DMA uses, and how the last DMA ended. */
const DMA_PASID = 0xa0
const DMA_RESULT = 0xa8
/** The part that is not in RAM does not lie in the buffer. */
const RESULT_RANGE = 0x100

const INTERRUPT_FACTORIAL = 0x1
const INTERRUPT_DMA = 0x100

/** Addresses in RAM have 28 bits. */
const ADDRESS_MASK = 0x0fffffff

/**
 * The registers of QEMU's educational device (its `specs/edu`): liveness, factorial, interrupts, and DMA between RAM and
 * a buffer of 4096 bytes, which here goes through the IOMMU and may fault. Two registers are ours: 0xa0, PASID of the
 * DMA (bit 31: use it), and 0xa8, how the last DMA ended (0: well).
 */
export class EduRegisters implements RegisterSet {
  readonly identity: PciIdentity = { vendor: 0x1234, device: 0x11e8, revision: 0x10, classCode: 0x00ff00 }
  readonly barBytes: number = BAR_BYTES
  hi = 0
  lo = 0
  onInterrupt: (() => void) | undefined = undefined
  readonly #engine: DmaEngine
  readonly #computed: Alarm
  readonly #transfer: Transfer
  readonly #wide: DataView = new DataView(new ArrayBuffer(0x20))
  #buffer: Uint8Array = new Uint8Array(BUFFER_BYTES)
  #liveness = 0
  #factorial = 0
  #status = 0
  #interrupts = 0
  #pasid = 0
  #result = 0

  constructor(world: World, engine: DmaEngine) {
    this.#engine = engine
    this.#computed = world.clock.createAlarm(`${engine.name} factorial`, () => this.#compute())
    this.#transfer = createTransfer({ op: 'read', lengthBytes: 0, onDone: () => this.#finish() })
  }

  get interrupting(): boolean {
    return this.#interrupts !== 0
  }

  read(offset: number, bytes: number): void {
    this.hi = this.lo = -1
    if (offset >= BUFFER_START && offset + bytes <= BUFFER_START + BUFFER_BYTES)
      this.#readBuffer(offset, bytes)
    else if (offset >= DMA_SOURCE && offset < DMA_PASID && (bytes === 4 || bytes === 8))
      this.#readWide(offset, bytes)
    else if (bytes === 4) {
      this.lo = this.#load(offset)
      this.hi = 0
    }
  }

  write(offset: number, bytes: number, hi: number, lo: number): void {
    if (offset >= BUFFER_START && offset + bytes <= BUFFER_START + BUFFER_BYTES)
      this.#writeBuffer(offset, bytes, hi, lo)
    else if (offset >= WIDE_START && offset < DMA_PASID && (bytes === 4 || bytes === 8))
      this.#writeWide(offset, bytes, hi, lo)
    else if (bytes === 4) this.#store(offset, lo)
  }

  reset(): void {
    this.#computed.cancel()
    if (!this.#transfer.ended && this.#transfer.status !== 'idle') this.#engine.abort(this.#transfer)
    this.#liveness = this.#factorial = this.#status = this.#interrupts = this.#pasid = this.#result = 0
    for (let at = 0; at < this.#wide.byteLength; at += 4) this.#wide.setInt32(at, 0)
    this.#buffer.fill(0)
  }

  #load(offset: number): number {
    switch (offset) {
      case ID:
        return ID_VALUE
      case LIVENESS:
        return this.#liveness
      case FACTORIAL:
        return this.#factorial
      case STATUS:
        return this.#status
      case INTERRUPT_STATUS:
        return this.#interrupts
      case DMA_PASID:
        return this.#pasid
      case DMA_RESULT:
        return this.#result
      default:
        return -1
    }
  }

  #store(offset: number, value: number): void {
    switch (offset) {
      case LIVENESS:
        this.#liveness = ~value
        break
      case FACTORIAL:
        this.#startFactorial(value)
        break
      case STATUS:
        this.#status = (this.#status & ~STATUS_RAISE) | (value & STATUS_RAISE)
        break
      case INTERRUPT_RAISE:
        this.#raise(value)
        break
      case INTERRUPT_ACKNOWLEDGE:
        this.#interrupts &= ~value
        break
      case DMA_PASID:
        this.#pasid = value
        break
      default:
    }
  }

  /** Nothing happens while the last one is being computed. */
  #startFactorial(value: number): void {
    if ((this.#status & STATUS_COMPUTING) !== 0) return
    this.#factorial = value
    this.#status |= STATUS_COMPUTING
    this.#computed.arm(0)
  }

  #compute(): void {
    let product = 1
    for (let n = this.#factorial >>> 0; n > 0 && product !== 0; n--) product = Math.imul(product, n)
    this.#factorial = product
    this.#status &= ~STATUS_COMPUTING
    if ((this.#status & STATUS_RAISE) !== 0) this.#raise(INTERRUPT_FACTORIAL)
  }

  #raise(bits: number): void {
    this.#interrupts |= bits
    if (this.#interrupts !== 0) this.onInterrupt?.()
  }

  #startDma(): void {
    const command = this.#word(DMA_COMMAND)
    const toRam = (command & COMMAND_TO_RAM) !== 0
    const inBuffer = (this.#word(toRam ? DMA_SOURCE : DMA_DESTINATION) >>> 0) - BUFFER_START
    const count = this.#word(DMA_COUNT) >>> 0
    if (inBuffer < 0 || inBuffer + count > BUFFER_BYTES) {
      this.#result = RESULT_RANGE
      this.#end()
      return
    }
    const transfer = this.#transfer
    transfer.op = toRam ? 'write' : 'read'
    transfer.pasid = (this.#pasid & PASID_VALID) === 0 ? NO_PASID : this.#pasid & PASID_MASK
    transfer.sourceHi = transfer.destinationHi = 0
    transfer.sourceLo = this.#word(DMA_SOURCE) & ADDRESS_MASK
    transfer.destinationLo = this.#word(DMA_DESTINATION) & ADDRESS_MASK
    transfer.lengthBytes = count
    transfer.buffer = this.#buffer.subarray(inBuffer, inBuffer + count)
    this.#engine.submit(transfer)
  }

  #finish(): void {
    this.#result = statusCode(this.#transfer)
    this.#end()
  }

  #end(): void {
    const command = this.#word(DMA_COMMAND)
    this.#wide.setInt32(DMA_COMMAND - DMA_SOURCE, command & ~COMMAND_START, true)
    if ((command & COMMAND_RAISE) !== 0) this.#raise(INTERRUPT_DMA)
  }

  #word(register: number): number {
    return this.#wide.getInt32(register - DMA_SOURCE, true)
  }

  #readWide(offset: number, bytes: number): void {
    const at = offset - DMA_SOURCE
    this.lo = this.#wide.getInt32(at, true)
    this.hi = bytes === 8 ? this.#wide.getInt32(at + 4, true) : 0
  }

  /** While a DMA runs its registers cannot be written. */
  #writeWide(offset: number, bytes: number, hi: number, lo: number): void {
    if ((this.#word(DMA_COMMAND) & COMMAND_START) !== 0) return
    const at = offset - DMA_SOURCE
    this.#wide.setInt32(at, lo, true)
    if (bytes === 8) this.#wide.setInt32(at + 4, hi, true)
    if (offset === DMA_COMMAND && (lo & COMMAND_START) !== 0) this.#startDma()
  }

  #readBuffer(offset: number, bytes: number): void {
    this.lo = this.hi = 0
    for (let i = bytes - 1; i >= 0; i--) {
      const byte = this.#buffer[offset - BUFFER_START + i]!
      if (i >= 4) this.hi = (this.hi << 8) | byte
      else this.lo = (this.lo << 8) | byte
    }
  }

  #writeBuffer(offset: number, bytes: number, hi: number, lo: number): void {
    for (let i = 0; i < bytes; i++)
      this.#buffer[offset - BUFFER_START + i] = (i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4))) & 0xff
  }
}
