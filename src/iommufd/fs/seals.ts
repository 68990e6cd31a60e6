// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, EPERM } from '../../base/errno.ts'
import type { MappingOwner } from '../files.ts'
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  F_SEALS_ALL,
} from './constants.ts'

/** What nobody may do to a memfd any more. */
export class Seals implements MappingOwner {
  bits: number
  /** Areas through which it can be written: each shared one holds this as its owner. */
  #writableAreas = 0

  constructor(bits: number) {
    this.bits = bits
  }

  get(): void {
    this.#writableAreas++
  }

  put(): void {
    this.#writableAreas--
  }

  /** EINVAL: an unknown one; EPERM: sealed against seals; EBUSY: somebody can write, now or through a device. */
  add(bits: number, pinned: () => boolean): void {
    if ((bits & ~F_SEALS_ALL) !== 0) throw EINVAL
    if ((this.bits & F_SEAL_SEAL) !== 0) throw EPERM
    const writing = (bits & ~this.bits & F_SEAL_WRITE) !== 0
    if (writing && (this.#writableAreas > 0 || pinned())) throw EBUSY
    this.bits |= bits
  }

  get readOnly(): boolean {
    return (this.bits & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0
  }

  /** EPERM. */
  checkSize(old: number, bytes: number): void {
    if (bytes < old && (this.bits & F_SEAL_SHRINK) !== 0) throw EPERM
    if (bytes > old && (this.bits & F_SEAL_GROW) !== 0) throw EPERM
  }
}
