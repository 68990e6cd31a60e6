// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { EINVAL } from '../base/errno.ts'
import type { World } from '../trace/world.ts'
import { type Mapping, type MmapRequest, OpenFile } from './files.ts'
import { O_ACCMODE, O_RDONLY } from './fs/constants.ts'
import type { DeviceNodes } from './fs/device-nodes.ts'
import { dispatchIoctl } from './ioctl-dispatch.ts'
import { Context, type DeviceDirectory } from './objects/context.ts'
import { mmapContext } from './objects/viommu/mmap.ts'
import { ACCOUNT_MM } from './objects/ioas/pages.ts'
import type { Caller } from './files.ts'

export interface OpenOptions {
  readonly world: World
  readonly devices: DeviceDirectory
  /** Virtual nanoseconds from a queued fault to the step of whoever waits for it; default 0. */
  readonly wakeLatencyNanos?: number
  /** The test ABI's machine, where there is a mock IOMMU. */
  readonly mock?: object | undefined
}

const VFIO_NODE = '/dev/vfio/vfio'

/** An open /dev/iommu: one context each. */
export class ContextFile extends OpenFile {
  readonly context: Context
  override readonly positioned: boolean = true
  override readonly executable: boolean = true
  readonly #options: OpenOptions

  constructor(options: OpenOptions, name: string = '/dev/iommu') {
    super(name)
    this.#options = options
    this.context = new Context(this, options.world, options.devices, options.wakeLatencyNanos ?? 0)
    this.context.mock = options.mock
  }

  override ioctl(caller: Caller, number: number, addressHi: number, addressLo: number): number {
    return dispatchIoctl(this.context, caller, number, addressHi, addressLo)
  }

  /** The same node again: another context. */
  override reopen(): OpenFile {
    return openNode(this.#options, this.name)
  }

  /** Shared with a file that cannot be written is private to the driver (observed on 7.2.13). */
  override mmap(_caller: Caller, request: MmapRequest): Mapping {
    const shared = request.shared && (this.flags & O_ACCMODE) !== O_RDONLY
    return mmapContext(this.context, { ...request, shared })
  }

  protected override release(): void {
    const left = this.context.objects.teardown()
    assert(left === 0, `${left} objects of a released context are still in use`)
  }
}

/** Registers /dev/iommu, and /dev/vfio/vfio, whose contexts charge pinned pages to the mm (`spec/02` §1). */
export function registerIommufd(nodes: DeviceNodes, options: OpenOptions): void {
  for (const path of ['/dev/iommu', VFIO_NODE]) nodes.register(path, () => openNode(options, path))
}

function openNode(options: OpenOptions, path: string): ContextFile {
  const file = new ContextFile(options, path)
  if (path === VFIO_NODE) file.context.accountMode = ACCOUNT_MM
  return file
}

/** The context behind a descriptor. EBADF; EINVAL: not a /dev/iommu. */
export function contextOf(caller: Caller, fd: number): Context {
  const file = caller.files.get(fd)
  if (!(file instanceof ContextFile)) throw EINVAL
  return file.context
}

/** open(2) of /dev/iommu. EMFILE. */
export function openContext(caller: Caller, options: OpenOptions): { fd: number; context: Context } {
  const fd = caller.files.reserve(false)
  const file = new ContextFile(options)
  caller.files.install(fd, file)
  return { fd, context: file.context }
}
