// SPDX-License-Identifier: MIT
import { Destroy } from '../abi/index.ts'
import type { Door } from './door.ts'

/** A hardware page table. */
export class Hwpt {
  readonly id: number
  readonly #door: Door

  constructor(door: Door, id: number) {
    this.#door = door
    this.id = id
  }

  /** EBUSY while a device is attached. */
  destroy(): void {
    const command = new Destroy()
    command.id = this.id
    this.#door.run(command, 'hwpt.destroy', { id: this.id })
  }
}
