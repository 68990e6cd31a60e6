// SPDX-License-Identifier: MIT
import { isErrno } from '../../../base/errno.ts'
import { pageOf } from '../../../base/u64.ts'
import { PhysicalMemory } from '../../../hardware/memory.ts'
import { DOMAIN_UNMANAGED, Domain, type DomainOptions } from '../../../kernel/iommu/domain.ts'
import { DmaBuf } from '../../../kernel/mm/dma-buf.ts'
import { FrameAllocator } from '../../../kernel/mm/frame-allocator.ts'
import { Mm } from '../../../kernel/mm/mm.ts'
import { type World, type WorldOptions, createWorld } from '../../../trace/world.ts'
import {
  IoasAlloc,
  IoasChangeProcess,
  IoasCopy,
  IoasMap,
  IoasMapFile,
  IoasUnmap,
  getU64,
  setU64,
} from '../../abi/index.ts'
import { contextOf, openContext } from '../../context-file.ts'
import { DmaBufFile } from '../../fs/dma-buf-file.ts'
import { MemfdFile } from '../../fs/memfd-file.ts'
import type { Command } from '../../ioctl-entry.ts'
import { rowOf } from '../../ioctl-table.ts'
import { Process, type ProcessOptions } from '../../process.ts'
import { type AccessObject, type AccessOps, createAccess } from '../access/access.ts'
import type { Context } from '../context.ts'
import { getIoas } from '../lookup.ts'
import type { IoasObject } from './ioas.ts'

export const PAGE = 4096n
/** FIXED_IOVA, READABLE, WRITEABLE. */
export const READ_WRITE = 7
export const READ = 5

const CANNOT_MAP: Error = new Error('the domain cannot map')

/** A page table of 2 KiB granules that remembers what it was told. */
export class GranuleDomain extends Domain {
  /** Granule of the IOVA to granule of memory. */
  readonly granules: Map<number, number> = new Map()
  readonly #perPage: number
  /** The map call that fails; 0: none. */
  failing = 0

  constructor(owner: object, options: Partial<DomainOptions> = {}) {
    super({ type: DOMAIN_UNMANAGED, owner, pageShift: 11, ...options })
    this.#perPage = 2 ** (12 - this.pageShift)
  }

  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.mapGranules(hi, lo, frame * this.#perPage, pages * this.#perPage, access)
  }

  override unmap(hi: number, lo: number, pages: number): number {
    return this.unmapGranules(hi, lo, pages * this.#perPage) / this.#perPage
  }

  override mapGranules(hi: number, lo: number, granule: number, count: number, _access: number): void {
    if (this.failing > 0 && --this.failing === 0) throw CANNOT_MAP
    const first = this.#granuleOf(hi, lo)
    for (let i = 0; i < count; i++) {
      if (this.granules.has(first + i)) throw new Error(`granule ${first + i} is mapped twice`)
      this.granules.set(first + i, granule + i)
    }
  }

  override unmapGranules(hi: number, lo: number, count: number): number {
    const first = this.#granuleOf(hi, lo)
    for (let i = 0; i < count; i++)
      if (!this.granules.delete(first + i)) throw new Error(`granule ${first + i} is not mapped`)
    return count
  }

  /** Physical byte address; -1: not mapped. */
  physical(iova: bigint): number {
    const size = 2 ** this.pageShift
    const granule = this.granules.get(Math.floor(Number(iova) / size))
    return granule === undefined ? -1 : granule * size + (Number(iova) % size)
  }

  #granuleOf(hi: number, lo: number): number {
    return pageOf(hi, lo) * this.#perPage + ((lo & 4095) >>> this.pageShift)
  }
}

export interface MapArguments {
  readonly ioas: number
  readonly at?: bigint
  readonly bytes?: bigint
  readonly iova?: bigint
  readonly flags?: number
}

/** One process with /dev/iommu open, real memory below it, and what the ioctls of an IOAS need. */
export class IoasRig {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly process: Process
  readonly fd: number
  readonly context: Context

  constructor(
    options: Omit<ProcessOptions, 'mm'> & { readonly frames?: number; readonly world?: WorldOptions } = {},
  ) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: (options.frames ?? 1024) * 4096, wasm: false })
    this.frames = new FrameAllocator({ memory: this.memory, failpoints: this.world.failpoints })
    this.process = this.newProcess(options)
    this.fd = openContext(this.process, {
      world: this.world,
      devices: { find: () => undefined },
    }).fd
    this.context = contextOf(this.process, this.fd)
  }

  newProcess(options: Omit<ProcessOptions, 'mm'> = {}): Process {
    const { memory, frames } = this
    const mm = new Mm({ memory, frames, failpoints: this.world.failpoints })
    return new Process({ ...options, mm })
  }

  /** Anonymous memory of `pages` pages, each filled with its number from 1. */
  anonymous(pages: number, process: Process = this.process): bigint {
    const address = process.mm.mmap({ lengthBytes: pages * 4096, prot: 3 })
    for (let page = 0; page < pages; page++)
      process.mm.write(address + BigInt(page) * PAGE, new Uint8Array(4096).fill(page + 1))
    return address
  }

  memfd(pages: number): number {
    const fd = this.process.memfdCreate()
    this.process.ftruncate(fd, pages * 4096)
    return fd
  }

  dmaBuf(pages: number): { fd: number; buffer: DmaBuf } {
    const buffer = new DmaBuf(this.frames, pages * 4096)
    const { files } = this.process
    const fd = files.reserve()
    files.install(fd, new DmaBufFile(buffer, 2))
    return { fd, buffer }
  }

  run(command: Command, process: Process = this.process): void {
    rowOf(command).run(this.context, process, command)
  }

  ioas(): number {
    const command = new IoasAlloc()
    this.run(command)
    return command.out_ioas_id
  }

  object(id: number): IoasObject {
    return getIoas(this.context, id)
  }

  domain(id: number, options: Partial<DomainOptions> = {}): GranuleDomain {
    const domain = new GranuleDomain(this, options)
    this.object(id).addDomain(domain)
    return domain
  }

  access(ioas: number, ops: Partial<AccessOps> = {}): AccessObject {
    const access = createAccess(this.context, { needsPinPages: true, unmap: () => undefined, ...ops })
    access.attach(ioas)
    return access
  }

  /** Returns the I/O address. */
  map(request: MapArguments, process: Process = this.process): bigint {
    const command = new IoasMap()
    command.ioas_id = request.ioas
    command.flags = request.flags ?? READ_WRITE
    setU64(command, 'user_va', request.at ?? 0n)
    setU64(command, 'length', request.bytes ?? PAGE)
    setU64(command, 'iova', request.iova ?? 0n)
    this.run(command, process)
    return getU64(command, 'iova')
  }

  mapFile(request: MapArguments & { readonly fd: number }, process: Process = this.process): bigint {
    const command = new IoasMapFile()
    command.ioas_id = request.ioas
    command.flags = request.flags ?? READ_WRITE
    command.fd = request.fd
    setU64(command, 'start', request.at ?? 0n)
    setU64(command, 'length', request.bytes ?? PAGE)
    setU64(command, 'iova', request.iova ?? 0n)
    this.run(command, process)
    return getU64(command, 'iova')
  }

  /** `at`: where it is mapped in `from`. */
  copy(request: MapArguments & { readonly from?: number }): bigint {
    const command = new IoasCopy()
    command.src_ioas_id = request.from ?? request.ioas
    command.dst_ioas_id = request.ioas
    command.flags = request.flags ?? READ_WRITE
    setU64(command, 'src_iova', request.at ?? 0n)
    setU64(command, 'length', request.bytes ?? PAGE)
    setU64(command, 'dst_iova', request.iova ?? 0n)
    this.run(command)
    return getU64(command, 'dst_iova')
  }

  /** Returns the bytes unmapped. */
  unmap(ioas: number, iova: bigint, bytes: bigint): bigint {
    const command = new IoasUnmap()
    command.ioas_id = ioas
    setU64(command, 'iova', iova)
    setU64(command, 'length', bytes)
    this.run(command)
    return getU64(command, 'length')
  }

  unmapAll(ioas: number): bigint {
    return this.unmap(ioas, 0n, 2n ** 64n - 1n)
  }

  changeProcess(process: Process = this.process): void {
    this.run(new IoasChangeProcess(), process)
  }

  /** Physical byte address of memory of the process. */
  physicalOf(address: bigint, process: Process = this.process): number {
    const page = Number(address >> 12n)
    return process.mm.frameForRead(page) * 4096 + Number(address & 4095n)
  }

  /** Frame of a page of a memfd. */
  fileFrame(fd: number, page: number): number {
    const file = this.process.files.get(fd)
    if (!(file instanceof MemfdFile)) throw new Error(`descriptor ${fd} is not a memfd`)
    const frame = file.memfd.pin(page)
    file.memfd.unpin(frame, false)
    return frame
  }
}

/** The code of the Errno that the call throws; `ok` when it succeeds. */
export function codeOf(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (isErrno(error)) return error.code
    if (error === CANNOT_MAP) return 'domain'
    throw error
  }
}
