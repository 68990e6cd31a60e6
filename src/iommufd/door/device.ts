// SPDX-License-Identifier: MIT
import { type Place, deviceAttach, deviceDetach, deviceReplace } from '../objects/device/attachment.ts'
import type { DeviceObject } from '../objects/device/device.ts'
import { PASID_NONE } from '../objects/device/igroup.ts'
import type { Door } from './door.ts'

/** What a device can be attached to: an I/O address space or a hardware page table. */
export interface AttachTarget {
  readonly id: number
}

export interface AttachOptions {
  /** 1 … 2^20-1. Left out: the device's own traffic, without PASID. */
  readonly pasid?: number
}

/** A device bound to the context: what an open and bound `/dev/vfio/devices/vfioN` is to a program. */
export class BoundDevice {
  readonly id: number
  readonly name: string
  readonly #door: Door
  readonly #object: DeviceObject
  readonly fd: number

  constructor(door: Door, object: DeviceObject, fd: number) {
    this.#door = door
    this.#object = object
    this.fd = fd
    this.id = object.id
    this.name = object.device.name
  }

  /**
   * Attaches to a page table, or to an I/O address space whose own page table is then found or made (`spec/02` §5.1,
   * §5.4). Returns the id of the page table. ENOENT, EINVAL, EBUSY, EADDRINUSE, and the driver's.
   */
  attach(target: AttachTarget, options: AttachOptions = {}): number {
    return this.#door.call('device.attach', { device: this.name, target: target.id, ...options }, () =>
      deviceAttach(this.#place(options), target.id),
    )
  }

  /** Moves an attachment to another target without a blocked moment (`spec/02` §5.3). Returns the page table's id. */
  replace(target: AttachTarget, options: AttachOptions = {}): number {
    return this.#door.call('device.replace', { device: this.name, target: target.id, ...options }, () =>
      deviceReplace(this.#place(options), target.id),
    )
  }

  /** Nothing happens when it is not attached. Faults of the attachment are answered INVALID (`spec/02` §6.5). */
  detach(options: AttachOptions = {}): void {
    this.#door.call('device.detach', { device: this.name, ...options }, () => {
      deviceDetach(this.#place(options))
    })
  }

  /** Detaches everything and unbinds, as closing the device file does: PASIDs first, then the device itself. */
  close(): void {
    this.#door.call('device.close', { device: this.name }, () => {
      this.#door.caller.files.close(this.fd)
    })
  }

  #place(options: AttachOptions): Place {
    return { context: this.#door.context, device: this.#object, pasid: options.pasid ?? PASID_NONE }
  }
}
