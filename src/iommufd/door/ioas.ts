// SPDX-License-Identifier: MIT
import {
  Destroy,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_OPTION_HUGE_PAGES,
  IOMMU_OPTION_OP_GET,
  IOMMU_OPTION_OP_SET,
  IoasCopy,
  IoasMap,
  IoasMapFile,
  IoasUnmap,
  Option,
  getU64,
  setU64,
} from '../abi/index.ts'
import { hiOf, loOf, toBigint } from '../../base/u64.ts'
import { typedError } from '../error.ts'
import { ioasMap } from '../objects/ioas/ioas-map.ts'
import { ioasHugePages } from '../objects/ioas/ioas-option.ts'
import { ioasUnmap } from '../objects/ioas/ioas-unmap.ts'
import type { Door } from './door.ts'

/** What all maps have in common. */
export interface MapOptions {
  /** Given: a fixed I/O virtual address. Left out: the kernel chooses one (`spec/02` §3.4). */
  readonly iova?: bigint
  /** Default true. */
  readonly readable?: boolean
  /** Default true. */
  readonly writeable?: boolean
}

export interface MapRequest extends MapOptions {
  /** Address in the calling process, bytes. */
  readonly userAddress: bigint
  readonly lengthBytes: bigint | number
}

export interface CopyRequest extends MapOptions {
  /** Where the memory is mapped already. Default: the same I/O address space. */
  readonly from?: Ioas
  readonly fromIova: bigint
  readonly lengthBytes: bigint | number
}

export interface MapFileRequest extends MapOptions {
  /** A memfd or a dma-buf of the calling process. */
  readonly fd: number
  /** First byte of the file. */
  readonly startBytes: bigint | number
  readonly lengthBytes: bigint | number
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
    command.flags = flagsOf(iova, readable, writeable)
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

  /**
   * Maps memory that is mapped already, in this or another I/O address space, once more: both share its pages. Returns the
   * I/O virtual address. Errors in the order of `spec/02` §3.3: EOVERFLOW, EINVAL, ENOENT, ENOSPC, EEXIST, EPERM (to be
   * written to, and the memory is mapped read-only), and with a domain EFAULT and ENOMEM.
   */
  copy(request: CopyRequest): bigint {
    const { from = this, fromIova, iova, readable = true, writeable = true } = request
    const command = new IoasCopy()
    command.flags = flagsOf(iova, readable, writeable)
    command.src_ioas_id = from.id
    command.dst_ioas_id = this.id
    setU64(command, 'src_iova', fromIova)
    setU64(command, 'dst_iova', iova ?? 0n)
    setLength(command, request.lengthBytes)
    this.#door.run(command, 'ioas.copy', { ...request })
    return getU64(command, 'dst_iova')
  }

  /**
   * Maps a file's memory and returns its I/O virtual address. Errors in the order of `spec/02` §3.3: EOVERFLOW, EINVAL,
   * ENOENT, EBADF, ENODEV (a dma-buf that was taken back), ENOSPC, EEXIST, and with a domain EINVAL (past the file's end,
   * or memory that cannot be pinned) and ENOMEM.
   */
  mapFile(request: MapFileRequest): bigint {
    const { fd, startBytes, iova, readable = true, writeable = true } = request
    const command = new IoasMapFile()
    command.flags = flagsOf(iova, readable, writeable)
    command.ioas_id = this.id
    command.fd = fd
    setU64(command, 'start', BigInt(startBytes))
    setU64(command, 'iova', iova ?? 0n)
    setLength(command, request.lengthBytes)
    this.#door.run(command, 'ioas.mapFile', { ...request })
    return getU64(command, 'iova')
  }

  /** Whether mappings may use pages above 4 KiB (`spec/02` §3.7). */
  hugePages(): boolean {
    return this.#option(IOMMU_OPTION_OP_GET, 0) === 1n
  }

  /** EINVAL: off, and page tables show mappings; EADDRINUSE: off, and a mapping is not whole pages. */
  setHugePages(on: boolean): void {
    this.#option(IOMMU_OPTION_OP_SET, on ? 1 : 0)
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

  #option(op: number, value: number): bigint {
    const command = new Option()
    command.op = op
    command.option_id = IOMMU_OPTION_HUGE_PAGES
    command.object_id = this.id
    command.val64_lo = value
    this.#door.call('ioas.hugePages', { id: this.id, op, value }, () =>
      ioasHugePages(this.#door.context, command),
    )
    return getU64(command, 'val64')
  }
}

function flagsOf(iova: bigint | undefined, readable: boolean, writeable: boolean): number {
  return (
    (iova === undefined ? 0 : IOMMU_IOAS_MAP_FIXED_IOVA) |
    (readable ? IOMMU_IOAS_MAP_READABLE : 0) |
    (writeable ? IOMMU_IOAS_MAP_WRITEABLE : 0)
  )
}

/** A small number takes no bigint on its way; what is no whole number is the `RangeError` of `BigInt`. */
function setLength(
  command: IoasMap | IoasUnmap | IoasCopy | IoasMapFile,
  lengthBytes: bigint | number,
): void {
  if (typeof lengthBytes === 'number' && (lengthBytes | 0) === lengthBytes && lengthBytes >= 0) {
    command.length_hi = 0
    command.length_lo = lengthBytes
    return
  }
  const length = BigInt(lengthBytes)
  command.length_hi = hiOf(length)
  command.length_lo = loOf(length)
}
