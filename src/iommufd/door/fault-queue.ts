// SPDX-License-Identifier: MIT
import {
  Destroy,
  HwptPageResponse,
  IOMMUFD_PAGE_RESP_INVALID,
  IOMMUFD_PAGE_RESP_SUCCESS,
} from '../abi/index.ts'
import { typedError } from '../error.ts'
import type { FaultObject } from '../objects/fault/fault-queue.ts'
import type { UnrecoverableRecord } from '../objects/fault/unrecoverable-inbox.ts'
import type { OpenFile } from '../files.ts'
import { BytesBuffer } from '../user-memory.ts'
import type { Door } from './door.ts'
import { FaultBatches, type FaultGroupView, type FaultReader, type GroupAnswer } from './fault-batches.ts'

/** A fault queue and its open file. */
export class FaultQueue implements AsyncIterable<FaultGroupView[]>, FaultReader {
  readonly id: number
  readonly fd: number
  readonly #door: Door
  readonly #object: FaultObject
  readonly #file: OpenFile
  readonly #response: HwptPageResponse = new HwptPageResponse()
  readonly #responseBuffer: BytesBuffer = new BytesBuffer(new Uint8Array(HwptPageResponse.SIZE))
  #readBuffer: BytesBuffer = this.#responseBuffer
  #writeBuffer: BytesBuffer = this.#responseBuffer

  constructor(door: Door, object: FaultObject, fd: number) {
    this.#door = door
    this.#object = object
    this.id = object.id
    this.fd = fd
    this.#file = door.caller.files.get(fd)
  }

  /** The descriptor was closed. */
  get closed(): boolean {
    return this.#door.caller.files.find(this.fd) !== this.#file
  }

  /**
   * read(2): whole groups as 40-byte records, oldest first; returns bytes, 0 when nothing is queued (never waits).
   * ESPIPE: the buffer is no multiple of 40 bytes; EINVAL: it is too small for the first group (`spec/02` §6.3).
   */
  read(buffer: Uint8Array): number {
    try {
      return this.readBytes(buffer)
    } catch (thrown) {
      throw typedError(thrown, 'faultQueue.read', { lengthBytes: buffer.length })
    }
  }

  /**
   * write(2): 8-byte answers; returns the bytes taken. ESPIPE: no multiple of 8 bytes; EINVAL: a code other than 0 and 1
   * or a cookie that is not outstanding, when nothing before it was taken.
   */
  write(buffer: Uint8Array): number {
    try {
      return this.writeBytes(buffer)
    } catch (thrown) {
      throw typedError(thrown, 'faultQueue.write', { lengthBytes: buffer.length })
    }
  }

  /** `read` into the first `lengthBytes` bytes, without garbage for a buffer used again; throws the bare `Errno`. */
  readBytes(buffer: Uint8Array, lengthBytes: number = buffer.length): number {
    if (this.#readBuffer.bytes !== buffer) this.#readBuffer = new BytesBuffer(buffer)
    this.#readBuffer.lengthBytes = lengthBytes
    return this.#door.caller.files.get(this.fd).read(this.#readBuffer)
  }

  /** `write` of the first `lengthBytes` bytes, without garbage for a buffer used again; throws the bare `Errno`. */
  writeBytes(buffer: Uint8Array, lengthBytes: number = buffer.length): number {
    if (this.#writeBuffer.bytes !== buffer) this.#writeBuffer = new BytesBuffer(buffer)
    this.#writeBuffer.lengthBytes = lengthBytes
    return this.#door.caller.files.get(this.fd).write(this.#writeBuffer)
  }

  /** poll(2): POLL_OUT always, POLL_IN | POLL_RDNORM when groups are queued. EBADF after close. */
  poll(): number {
    try {
      return this.#door.caller.files.get(this.fd).poll()
    } catch (thrown) {
      throw typedError(thrown, 'faultQueue.poll', { fd: this.fd })
    }
  }

  /** Writes one answer. EINVAL: the cookie is not outstanding. */
  respond(cookie: number, answer: GroupAnswer): void {
    const response = this.#response
    response.cookie = cookie
    response.code = answer === 'success' ? IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID
    response.encode(this.#responseBuffer.view, 0)
    try {
      this.#door.caller.files.get(this.fd).write(this.#responseBuffer)
    } catch (thrown) {
      throw typedError(thrown, 'faultQueue.respond', { cookie, answer })
    }
  }

  /**
   * Calls back, as a step of its own, whenever groups were queued since the last call; `undefined` stops it. Called
   * again for new groups only: what the callback leaves unread it must come back for itself.
   */
  onReadable(callback: (() => void) | undefined): void {
    this.#object.onReadable(callback)
  }

  /**
   * Hears of unrecoverable faults too, where the queue's page tables translate: a wish of the original discussions, off
   * until called. As a step of its own; `undefined` stops it. There is nothing to answer.
   */
  onUnrecoverable(listener: ((records: readonly UnrecoverableRecord[]) => void) | undefined): void {
    this.#object.inbox.listen(listener)
  }

  /** Batches of whole groups; waits while nothing is queued; ends when this queue's descriptor is closed. */
  [Symbol.asyncIterator](): AsyncIterator<FaultGroupView[], undefined> {
    const { world, wakeLatencyNanos } = this.#door.context
    return new FaultBatches(this, this.#object, world, wakeLatencyNanos)
  }

  /** Closes the descriptor. Outstanding groups stay outstanding until their devices are detached. */
  close(): void {
    this.#door.call('faultQueue.close', { fd: this.fd }, () => {
      this.#door.caller.files.close(this.fd)
      this.#object.wake()
    })
  }

  /** EBUSY while it is open or a page table uses it. */
  destroy(): void {
    const command = new Destroy()
    command.id = this.id
    this.#door.run(command, 'faultQueue.destroy', { id: this.id })
  }
}
