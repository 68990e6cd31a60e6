// SPDX-License-Identifier: MIT
import { EEXIST, EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { IOMMU_VEVENTQ_DEPTH_MAX, IOMMU_VEVENTQ_TYPE_DEFAULT, type VeventqAlloc } from '../../abi/index.ts'
import { type Caller, OpenFile } from '../../files.ts'
import type { UserBuffer } from '../../user-memory.ts'
import type { Context } from '../context.ts'
import { getViommu } from '../lookup.ts'
import { VeventqObject } from './veventq.ts'
import type { ViommuObject } from './viommu.ts'

/** An event queue's file: holds the queue, and the context's file so that closing /dev/iommu does not end it. */
class VeventqFile extends OpenFile {
  readonly #object: VeventqObject
  readonly #context: Context

  constructor(object: VeventqObject, context: Context) {
    super('[iommufd-viommu-event]')
    this.#object = object
    this.#context = context
    object.users++
    context.file.get()
  }

  override read(buffer: UserBuffer): number {
    return this.#object.read(buffer)
  }

  override poll(): number {
    return this.#object.poll()
  }

  override onWake(callback: () => void): void {
    this.#object.addPoller(callback)
  }

  protected override release(): void {
    this.#object.users--
    this.#context.file.put()
  }
}

/** The queue as made by the ioctl: its descriptor opens when the command is finished. */
class NewVeventqObject extends VeventqObject {
  readonly #context: Context
  readonly #caller: Caller
  readonly #fd: number

  constructor(
    context: Context,
    viommu: ViommuObject,
    command: VeventqAlloc,
    opener: { readonly caller: Caller; readonly fd: number },
  ) {
    const { world, wakeLatencyNanos } = context
    const { type: eventType, veventq_depth: depth } = command
    super(viommu, { eventType, depth, world, wakeLatencyNanos })
    this.#context = context
    this.#caller = opener.caller
    this.#fd = opener.fd
  }

  override abort(): void {
    this.#caller.files.unreserve(this.#fd)
    super.abort()
  }

  override finalized(): void {
    this.#caller.files.install(this.#fd, new VeventqFile(this, this.#context))
  }
}

/** IOMMU_VEVENTQ_ALLOC, checks in the order of `spec/02` §9. */
export function veventqAlloc(context: Context, command: VeventqAlloc, caller: Caller): void {
  const { type, veventq_depth: depth } = command
  if (command.flags !== 0 || command.__reserved !== 0 || type === IOMMU_VEVENTQ_TYPE_DEFAULT) throw EOPNOTSUPP
  if (depth === 0 || depth >>> 0 > IOMMU_VEVENTQ_DEPTH_MAX) throw EINVAL
  const viommu = getViommu(context, command.viommu_id)
  if (viommu.hasSink(type)) throw EEXIST
  if (context.world.failpoints.hit('alloc_veventq')) throw ENOMEM
  const fd = caller.files.reserve()
  const queue = context.create(new NewVeventqObject(context, viommu, command, { caller, fd }))
  command.out_veventq_id = queue.id
  command.out_veventq_fd = fd
}
