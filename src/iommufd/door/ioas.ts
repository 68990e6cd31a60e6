// SPDX-License-Identifier: MIT
import {
  Destroy,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IoasMap,
  IoasUnmap,
} from '../abi/index.ts'
import { hiOf, loOf, toBigint } from '../../base/u64.ts'
import { typedError } from '../error.ts'
import { ioasMap } from '../objects/ioas/ioas-map.ts'
import { ioasUnmap } from '../objects/ioas/ioas-unmap.ts'
import type { Door } from './door.ts'

export interface MapRequest {
  /** Address in the calling process, bytes. */
  readonly userAddress: bigint
  readonly lengthBytes: bigint | number
  /** Given: a fixed I/O virtual address. Left out: the kernel chooses one (`spec/02` §3.4). */
  readonly iova?: bigint
  /** Default true. */
  readonly readable?: boolean
  /** Default true. */
  readonly writeable?: boolean
}

export interface UnmapRequest {
  readonly iova: bigint
  readonly lengthBytes: bigint | number
}

/** An I/O address space: user memory mapped at I/O virtual addresses. */
export class Ioas {
  readonly id: number
  readonly #door: Door
  readonly #map: IoasMap = new IoasMap()
  readonly #unmap: IoasUnmap = new IoasUnmap()

  constructor(door: Door, id: number) {
    this.#door = door
    this.id = id
  }

  /**
   * Maps user memory and returns its I/O virtual address (bytes). Errors in the order of `spec/02` §3.3: EOVERFLOW,
   * EINVAL, ENOENT, ENOSPC, EEXIST, and with a domain EFAULT and ENOMEM.
   */
  map(request: MapRequest): bigint {
    const { userAddress, lengthBytes, iova, readable = true, writeable = true } = request
    const command = this.#map
    command.flags =
      (iova === undefined ? 0 : IOMMU_IOAS_MAP_FIXED_IOVA) |
      (readable ? IOMMU_IOAS_MAP_READABLE : 0) |
      (writeable ? IOMMU_IOAS_MAP_WRITEABLE : 0)
    command.ioas_id = this.id
    command.user_va_hi = hiOf(userAddress)
    command.user_va_lo = loOf(userAddress)
    setLength(command, lengthBytes)
    command.iova_hi = iova === undefined ? 0 : hiOf(iova)
    command.iova_lo = iova === undefined ? 0 : loOf(iova)
    try {
      ioasMap(this.#door.context, command, this.#door.caller)
    } catch (thrown) {
      throw typedError(thrown, 'ioas.map', { ...request })
    }
    return toBigint(command.iova_hi, command.iova_lo)
  }

  /** Unmaps whole areas and returns how many bytes. ENOENT, EINVAL, EOVERFLOW, EBUSY (`spec/02` §3.5, §12). */
  unmap(request: UnmapRequest): bigint {
    const command = this.#unmap
    command.ioas_id = this.id
    command.iova_hi = hiOf(request.iova)
    command.iova_lo = loOf(request.iova)
    setLength(command, request.lengthBytes)
    try {
      ioasUnmap(this.#door.context, command)
    } catch (thrown) {
      throw typedError(thrown, 'ioas.unmap', { ...request })
    }
    return toBigint(command.length_hi, command.length_lo)
  }

  /** `map` without bigint and without garbage: the command is the caller's, reused; throws the bare `Errno`. */
  mapCommand(command: IoasMap): void {
    ioasMap(this.#door.context, command, this.#door.caller)
  }

  /** `unmap` without bigint and without garbage; throws the bare `Errno`. */
  unmapCommand(command: IoasUnmap): void {
    ioasUnmap(this.#door.context, command)
  }

  /** EBUSY while a page table uses it. */
  destroy(): void {
    const command = new Destroy()
    command.id = this.id
    this.#door.run(command, 'ioas.destroy', { id: this.id })
  }
}

/** A small number takes no bigint on its way; what is no whole number is the `RangeError` of `BigInt`. */
function setLength(command: IoasMap | IoasUnmap, lengthBytes: bigint | number): void {
  if (typeof lengthBytes === 'number' && (lengthBytes | 0) === lengthBytes && lengthBytes >= 0) {
    command.length_hi = 0
    command.length_lo = lengthBytes
    return
  }
  const length = BigInt(lengthBytes)
  command.length_hi = hiOf(length)
  command.length_lo = loOf(length)
}
