// SPDX-License-Identifier: MIT
import { VM_FAULT_SIGBUS } from './fault-flags.ts'
import type { MappedObject } from './mapped-object.ts'

/**
 * Consecutive frames of a device, or of the kernel for a device, as a process maps them. Whoever lets them be mapped keeps
 * the frames alive for as long as an area shows them.
 */
export class DeviceMemory implements MappedObject {
  readonly device: boolean = true
  readonly huge: boolean = false
  found = 0
  readonly #firstFrame: number
  readonly #pages: number

  constructor(firstFrame: number, pages: number) {
    this.#firstFrame = firstFrame
    this.#pages = pages
  }

  get(): void {}
  put(): void {}
  addMapper(): void {}
  removeMapper(): void {}

  peek(page: number): number {
    return page < this.#pages ? this.#firstFrame + page : -1
  }

  fault(page: number): number {
    this.found = this.peek(page)
    return this.found < 0 ? VM_FAULT_SIGBUS : 0
  }
}
