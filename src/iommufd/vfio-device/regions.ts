// SPDX-License-Identifier: MIT
import { EINVAL, isErrno } from '../../base/errno.ts'
import type { RegisterSet } from '../../hardware/endpoints/dma-engine/registers/register-set.ts'
import { ConfigHeader } from '../../hardware/pci/config-header.ts'
import { CONFIG_BYTES, type ConfigSpace } from '../../hardware/pci/config-layout.ts'
import type { UserBuffer } from '../user-memory.ts'
import {
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from './constants.ts'

/**
 * Offset of the first region, and from one to the next. None begins at 0, so that a read or write of a device can be told
 * from one of an ordinary file by its offset alone.
 */
export const REGION_STRIDE: number = 2 ** 40

export interface RegionInfo {
  readonly flags: number
  readonly bytes: number
  readonly offset: number
}

const READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE

/** The regions of a device file: BAR 0 and configuration space, by pread(2) and pwrite(2). */
export class Regions {
  readonly config: ConfigHeader
  readonly #registers: RegisterSet
  readonly #piece: Uint8Array = new Uint8Array(8)
  readonly #view: DataView = new DataView(this.#piece.buffer)

  constructor(registers: RegisterSet, extended: ConfigSpace) {
    this.#registers = registers
    this.config = new ConfigHeader({ ...registers.identity, barBytes: registers.barBytes, extended })
  }

  /** EINVAL: no such region. */
  info(index: number): RegionInfo {
    if (index >= VFIO_PCI_NUM_REGIONS) throw EINVAL
    const bytes = this.#bytesOf(index)
    return { bytes, flags: bytes === 0 ? 0 : READ_WRITE, offset: (index + 1) * REGION_STRIDE }
  }

  /** Bytes read; the largest aligned accesses that fit. EINVAL: not in a region; EFAULT. */
  read(buffer: UserBuffer, offset: number): number {
    return this.#each(buffer, offset, (region, at, bytes, done) => {
      this.#load(region, at, bytes)
      buffer.copyOut(done, this.#piece, bytes)
    })
  }

  write(buffer: UserBuffer, offset: number): number {
    return this.#each(buffer, offset, (region, at, bytes, done) => {
      buffer.copyIn(done, this.#piece, bytes)
      this.#store(region, at, bytes)
    })
  }

  #bytesOf(index: number): number {
    if (index === VFIO_PCI_BAR0_REGION_INDEX) return this.#registers.barBytes
    return index === VFIO_PCI_CONFIG_REGION_INDEX ? CONFIG_BYTES : 0
  }

  #each(
    buffer: UserBuffer,
    offset: number,
    move: (region: number, at: number, bytes: number, done: number) => void,
  ): number {
    const region = Math.floor(offset / REGION_STRIDE) - 1
    const start = offset % REGION_STRIDE
    const size = region < 0 ? 0 : this.#bytesOf(region)
    if (start >= size) throw EINVAL
    const length = Math.min(buffer.lengthBytes, size - start)
    let done = 0
    try {
      while (done < length) {
        const bytes = accessBytes(start + done, length - done, region)
        move(region, start + done, bytes, done)
        done += bytes
      }
    } catch (thrown) {
      if (done === 0 || !isErrno(thrown)) throw thrown
    }
    return done
  }

  #load(region: number, at: number, bytes: number): void {
    if (region === VFIO_PCI_CONFIG_REGION_INDEX) {
      for (let i = 0; i < bytes; i++) this.#piece[i] = this.config.readByte(at + i)
      return
    }
    this.#registers.read(at, bytes)
    this.#view.setInt32(0, this.#registers.lo, true)
    this.#view.setInt32(4, this.#registers.hi, true)
  }

  #store(region: number, at: number, bytes: number): void {
    if (region === VFIO_PCI_CONFIG_REGION_INDEX) {
      for (let i = 0; i < bytes; i++) this.config.writeByte(at + i, this.#piece[i]!)
      return
    }
    this.#piece.fill(0, bytes)
    this.#registers.write(at, bytes, this.#view.getInt32(4, true), this.#view.getInt32(0, true))
  }
}

/** Width of the next access: as wide as its alignment and the rest allow, in configuration space at most 4. */
function accessBytes(at: number, left: number, region: number): number {
  const widest = region === VFIO_PCI_CONFIG_REGION_INDEX ? 4 : 8
  for (let bytes = widest; bytes > 1; bytes /= 2) if (at % bytes === 0 && left >= bytes) return bytes
  return 1
}
