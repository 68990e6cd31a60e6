// SPDX-License-Identifier: MIT
import { closeSync } from 'node:fs'
import { EBADF, EMFILE, ENFILE } from '../../base/errno.ts'
import { FdTable, OpenFile } from '../../iommufd/files.ts'
import { AT_SYMLINK_NOFOLLOW, RLIMIT_NOFILE } from '../sys/numbers.ts'
import type { FileIdentity, System } from '../sys/system.ts'
import type { FileRegistry } from './file-registry.ts'
import type { Listener } from './notifications.ts'
import { ForeignFile } from './foreign-file.ts'
import type { ReservedRange } from './reserved-range.ts'
import type { SharedObjects } from './shared-objects.ts'
import type { DeviceStandIns, QueueStandIns } from './stand-ins.ts'

/** ioctls that make a queue: IOMMU_FAULT_QUEUE_ALLOC, IOMMU_VEVENTQ_ALLOC. */
const QUEUE_ALLOCATIONS: ReadonlySet<number> = new Set([0x3b8e, 0x3b93])

/** What descriptors need of the rest. */
export interface DescriptorPorts {
  readonly system: System
  readonly listener: Listener
  readonly registry: FileRegistry
  readonly devices: DeviceStandIns
  readonly queues: QueueStandIns
  readonly reserved: ReservedRange
  readonly shared: SharedObjects
}

/**
 * The descriptors of a program, which are the host's: looked up by what they are, opened by the kernel. Numbers are
 * those of the thread whose call is served.
 */
export class ProgramFiles extends FdTable {
  readonly #ports: DescriptorPorts
  readonly #identity: FileIdentity = { device: 0, inode: 0 }
  /** Numbers that are promised and not open yet. */
  readonly #promised: Map<number, boolean> = new Map()
  /** Descriptor of /proc/TID of the thread that is served. */
  #folder = -1
  readonly #tgid: number
  readonly #borrowed: OpenFile[] = []

  constructor(ports: DescriptorPorts, tgid: number) {
    super(Number.POSITIVE_INFINITY)
    this.#tgid = tgid
    this.#ports = ports
  }

  serve(folder: number): void {
    this.#folder = folder
  }

  /** The lowest free number, of the range that is kept for queues when a queue is made. EMFILE. */
  override reserve(closeOnExec: boolean = true, from: number = 0): number {
    const { listener } = this.#ports
    const isQueue = QUEUE_ALLOCATIONS.has(listener.int(1))
    const fd = (isQueue ? this.freeReserved(from) : undefined) ?? this.#lowest(from)
    if (fd === undefined) throw EMFILE
    this.#promised.set(fd, closeOnExec)
    return fd
  }

  /** The lowest free number of the range, not below `from`; `undefined`: none, or the limit does not allow it. */
  freeReserved(from: number): number | undefined {
    const { reserved } = this.#ports
    return this.#freeBelow(Math.max(from, reserved.first), Math.min(reserved.end, this.#limit()))
  }

  override unreserve(fd: number): void {
    this.#promised.delete(fd)
  }

  /** When the thread is gone meanwhile, or the host has no descriptors left, the file is released. */
  override install(fd: number, file: OpenFile): void {
    const { listener } = this.#ports
    const closeOnExec = this.#promised.get(fd) ?? true
    this.#promised.delete(fd)
    const source = this.#standInOrNone(file)
    if (source === undefined) return
    listener.addDescriptor({ source, closeOnExec, number: fd })
    closeSync(source)
  }

  #standInOrNone(file: OpenFile): number | undefined {
    try {
      return this.standIn(file)
    } catch (thrown) {
      if (thrown !== ENFILE) throw thrown
      file.put()
      return undefined
    }
  }

  /** A file of ours. */
  findOwn(fd: number): OpenFile | undefined {
    return this.#ports.registry.findDescriptor(this.#folder, fd)?.file
  }

  /** Any file of the program, for the call that is served. */
  override find(fd: number): OpenFile | undefined {
    return this.findOwn(fd) ?? this.#findForeign(fd)
  }

  /** The call is over: what it did not keep of the program's own files is closed. */
  endCall(): void {
    for (const file of this.#borrowed) file.put()
    this.#borrowed.length = 0
  }

  #findForeign(fd: number): OpenFile | undefined {
    const { system, shared } = this.#ports
    const source = system.takeDescriptor(this.#tgid, fd)
    if (source < 0) return undefined
    const file = new ForeignFile(shared, source)
    this.#borrowed.push(file)
    return file
  }

  override get(fd: number): OpenFile {
    const file = this.find(fd)
    if (file === undefined) throw EBADF
    return file
  }

  /** A new stand-in: the file is released when the last descriptor of it is closed. ENFILE. */
  standIn(file: OpenFile): number {
    const { devices, queues } = this.#ports
    const isQueue = !file.positioned && file.read !== OpenFile.prototype.read
    return isQueue ? queues.create(file) : devices.create(file)
  }

  /** Queues that are open above a low limit count as if they were open below it. */
  #lowest(from: number): number | undefined {
    const { first, end } = this.#ports.reserved
    const limit = this.#limit()
    let above = 0
    if (limit <= first) for (let fd = first; fd < end; fd++) if (this.findOwn(fd) !== undefined) above++
    return this.#freeBelow(from, limit - above)
  }

  #freeBelow(from: number, end: number): number | undefined {
    for (let fd = from; fd < end; fd++) if (!this.#promised.has(fd) && !this.#isOpen(fd)) return fd
    return undefined
  }

  #limit(): number {
    const { system, listener } = this.#ports
    return system.softLimit(listener.tid, RLIMIT_NOFILE) ?? 0
  }

  #isOpen(fd: number): boolean {
    return this.#ports.system.identify(this.#folder, `fd/${fd}`, this.#identity, AT_SYMLINK_NOFOLLOW) === 0
  }
}
