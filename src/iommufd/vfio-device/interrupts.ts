// SPDX-License-Identifier: MIT
import { EBADF, EINVAL } from '../../base/errno.ts'
import type { RegisterSet } from '../../hardware/endpoints/dma-engine/registers/register-set.ts'
import type { Caller, OpenFile } from '../files.ts'
import * as v from './constants.ts'

export interface InterruptInfo {
  readonly flags: number
  readonly count: number
}

/** What VFIO_DEVICE_SET_IRQS asks for. */
export interface InterruptRequest {
  readonly flags: number
  readonly index: number
  readonly start: number
  readonly count: number
  /** Of DATA_BOOL a byte each, of DATA_EVENTFD a descriptor each. */
  readonly data: readonly number[]
}

const DATA_TYPES = v.VFIO_IRQ_SET_DATA_NONE | v.VFIO_IRQ_SET_DATA_BOOL | v.VFIO_IRQ_SET_DATA_EVENTFD
const ACTIONS = v.VFIO_IRQ_SET_ACTION_MASK | v.VFIO_IRQ_SET_ACTION_UNMASK | v.VFIO_IRQ_SET_ACTION_TRIGGER

/** The interrupts of a device as a program hears them: INTx, which masks itself, or one MSI; each through an eventfd. */
export class Interrupts {
  readonly #registers: RegisterSet
  #intx: OpenFile | undefined = undefined
  #masked = false
  /** INTx came while it was masked. */
  #pending = false
  #msi: OpenFile | undefined = undefined

  constructor(registers: RegisterSet) {
    this.#registers = registers
  }

  /** EINVAL: no such index. */
  info(index: number): InterruptInfo {
    if (index >= v.VFIO_PCI_NUM_IRQS) throw EINVAL
    const count = countOf(index)
    const own =
      index === v.VFIO_PCI_INTX_IRQ_INDEX
        ? v.VFIO_IRQ_INFO_MASKABLE | v.VFIO_IRQ_INFO_AUTOMASKED
        : v.VFIO_IRQ_INFO_NORESIZE
    return { count, flags: v.VFIO_IRQ_INFO_EVENTFD | own }
  }

  /** EINVAL: not what that interrupt can do; EBADF. */
  set(caller: Caller, request: InterruptRequest): void {
    const { flags, index, start, count } = request
    const type = flags & DATA_TYPES
    const action = flags & ACTIONS
    const max = countOf(index)
    if (!isOneBit(type) || !isOneBit(action) || (flags & ~(DATA_TYPES | ACTIONS)) !== 0) throw EINVAL
    if (index >= v.VFIO_PCI_NUM_IRQS || start >= max || start + count > max) throw EINVAL
    if (action === v.VFIO_IRQ_SET_ACTION_TRIGGER) this.#setTrigger(caller, request, type)
    else if (index === v.VFIO_PCI_INTX_IRQ_INDEX) this.#setMask(request, action, type)
    else throw EINVAL
  }

  /** The device has raised its interrupt. */
  raised(): void {
    if (this.#msi !== undefined) this.#msi.signal()
    else if (this.#intx !== undefined) this.#raiseIntx()
  }

  /** The device file is closed, or the device reset. */
  release(): void {
    this.#intx?.put()
    this.#msi?.put()
    this.#intx = this.#msi = undefined
  }

  #setTrigger(caller: Caller, request: InterruptRequest, type: number): void {
    const { index, count, data } = request
    if (count === 0 && type === v.VFIO_IRQ_SET_DATA_NONE) {
      this.#connect(index, undefined)
    } else if (type === v.VFIO_IRQ_SET_DATA_EVENTFD) {
      if (count === 0) throw EINVAL
      this.#connect(index, fileOf(caller, data[0]!))
    } else {
      const file = this.#fileOf(index)
      if (file === undefined) throw EINVAL
      if (type === v.VFIO_IRQ_SET_DATA_NONE || data[0] !== 0) file.signal()
    }
  }

  /** Only one kind of interrupt is in use at a time. */
  #connect(index: number, file: OpenFile | undefined): void {
    const isIntx = index === v.VFIO_PCI_INTX_IRQ_INDEX
    const other = isIntx ? this.#msi : this.#intx
    if (file !== undefined && other !== undefined) {
      file.put()
      throw EINVAL
    }
    this.#fileOf(index)?.put()
    if (isIntx) {
      this.#intx = file
      this.#masked = this.#pending = false
      if (file !== undefined && this.#registers.interrupting) this.#raiseIntx()
    } else this.#msi = file
  }

  #setMask(request: InterruptRequest, action: number, type: number): void {
    if (this.#intx === undefined || request.count !== 1 || type === v.VFIO_IRQ_SET_DATA_EVENTFD) throw EINVAL
    if (type === v.VFIO_IRQ_SET_DATA_BOOL && request.data[0] === 0) return
    this.#masked = action === v.VFIO_IRQ_SET_ACTION_MASK
    if (!this.#masked && (this.#pending || this.#registers.interrupting)) this.#raiseIntx()
  }

  /** A line: once heard it is masked until the program has unmasked it. */
  #raiseIntx(): void {
    this.#pending = this.#masked
    if (this.#masked || !this.#registers.interrupting) return
    this.#masked = true
    this.#intx?.signal()
  }

  #fileOf(index: number): OpenFile | undefined {
    return index === v.VFIO_PCI_INTX_IRQ_INDEX ? this.#intx : this.#msi
  }
}

function countOf(index: number): number {
  return index === v.VFIO_PCI_INTX_IRQ_INDEX || index === v.VFIO_PCI_MSI_IRQ_INDEX ? 1 : 0
}

/** A reference to an eventfd; `undefined`: -1, none. EBADF, EINVAL. */
function fileOf(caller: Caller, fd: number): OpenFile | undefined {
  if (fd === -1) return undefined
  const file = caller.files.find(fd)
  if (file === undefined) throw EBADF
  if (!file.signals) throw EINVAL
  file.get()
  return file
}

function isOneBit(bits: number): boolean {
  return bits !== 0 && (bits & (bits - 1)) === 0
}
