// SPDX-License-Identifier: MIT
import { ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { FaultAlloc } from '../../abi/index.ts'
import { OpenFile } from '../../files.ts'
import type { Caller } from '../../files.ts'
import type { UserBuffer } from '../../user-memory.ts'
import type { Context } from '../context.ts'
import { FaultObject } from './fault-queue.ts'

/** A fault queue's file: holds the queue, and the context's file so that closing /dev/iommu does not end it. */
class FaultFile extends OpenFile {
  readonly #object: FaultObject
  readonly #context: Context

  constructor(object: FaultObject, context: Context) {
    super('[iommufd-pgfault]')
    this.#object = object
    this.#context = context
    object.users++
    context.file.get()
  }

  override read(buffer: UserBuffer): number {
    return this.#object.read(buffer)
  }

  override write(buffer: UserBuffer): number {
    return this.#object.write(buffer)
  }

  override poll(): number {
    return this.#object.poll()
  }

  override onWake(callback: () => void): void {
    this.#object.addPoller(callback)
  }

  /** The queue first: dropping the context may tear it down, which needs the queue unused. */
  protected override release(): void {
    this.#object.users--
    this.#object.wake()
    this.#context.file.put()
  }
}

/** The queue as made by the ioctl: its descriptor opens when the command is finished. */
class NewFaultObject extends FaultObject {
  readonly #context: Context
  readonly #caller: Caller
  readonly #fd: number

  constructor(context: Context, caller: Caller, fd: number) {
    super(context.world, context.wakeLatencyNanos)
    this.#context = context
    this.#caller = caller
    this.#fd = fd
  }

  override abort(): void {
    this.#caller.files.unreserve(this.#fd)
  }

  override finalized(): void {
    this.#caller.files.install(this.#fd, new FaultFile(this, this.#context))
  }
}

/** IOMMU_FAULT_QUEUE_ALLOC: EOPNOTSUPP, ENOMEM, EMFILE. */
export function faultQueueAlloc(context: Context, command: FaultAlloc, caller: Caller): void {
  if (command.flags !== 0) throw EOPNOTSUPP
  if (context.world.failpoints.hit('alloc_fault_queue')) throw ENOMEM
  const fd = caller.files.reserve()
  const object = context.create(new NewFaultObject(context, caller, fd))
  command.out_fault_id = object.id
  command.out_fault_fd = fd
}
