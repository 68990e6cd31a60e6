// SPDX-License-Identifier: MIT
import { TRANSFER_STATUSES, type Transfer } from '../transfer.ts'

/** What a PCI function says of itself. */
export interface PciIdentity {
  readonly vendor: number
  readonly device: number
  readonly revision: number
  /** 24 bits: class, subclass, programming interface. */
  readonly classCode: number
}

/** The registers of a device behind BAR 0, as its driver reads and writes them. Little-endian. */
export interface RegisterSet {
  readonly identity: PciIdentity
  /** Length of BAR 0: a power of two, at least 4096. */
  readonly barBytes: number
  /** The value of the last `read`. */
  readonly hi: number
  readonly lo: number
  /** `bytes`: 1, 2, 4 or 8, and `offset` a multiple of it. What is not there reads as all ones. */
  read(offset: number, bytes: number): void
  write(offset: number, bytes: number, hi: number, lo: number): void
  /** The interrupt line is asserted. */
  readonly interrupting: boolean
  /** Called whenever the device raises its interrupt. */
  onInterrupt: (() => void) | undefined
  /** As after power on. Transfers under way are aborted. */
  reset(): void
}

/** Bit of a PASID register: the PASID in bits 19:0 is used. */
export const PASID_VALID: number = 1 << 31
export const PASID_MASK = 0xfffff

/** How a transfer ended, in a register: 0 done, else its place in TRANSFER_STATUSES. */
export function statusCode({ status }: Transfer): number {
  return status === 'done' ? 0 : TRANSFER_STATUSES.indexOf(status)
}
