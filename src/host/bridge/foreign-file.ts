// SPDX-License-Identifier: MIT
import { closeSync, fstatSync, readlinkSync, statfsSync, writeSync } from 'node:fs'
import { OpenFile } from '../../iommufd/files.ts'
import type { FilePages } from '../../iommufd/user-memory.ts'
import { HUGETLBFS, type SharedObjects, TMPFS } from './shared-objects.ts'

/** What an eventfd counts up by. */
const ONE: Uint8Array = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)

/** A file of the program that is none of ours: known by its memory only. */
export class ForeignFile extends OpenFile implements FilePages {
  readonly #shared: SharedObjects
  readonly #fd: number
  /** Of its file system. */
  readonly #type: number

  /** Takes over the descriptor. */
  constructor(shared: SharedObjects, fd: number) {
    super('file of the program')
    this.#shared = shared
    this.#fd = fd
    this.#type = statfsSync(`/proc/self/fd/${fd}`).type
  }

  override get pinnable(): FilePages | undefined {
    return this.#type === TMPFS || this.#type === HUGETLBFS ? this : undefined
  }

  override get signals(): boolean {
    return readlinkSync(`/proc/self/fd/${this.#fd}`) === 'anon_inode:[eventfd]'
  }

  override signal(): void {
    try {
      writeSync(this.#fd, ONE)
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  pin(page: number): number {
    const { dev, ino } = fstatSync(this.#fd)
    const path = `/proc/self/fd/${this.#fd}`
    return this.#shared.pin({ device: dev, inode: ino, path, isHuge: this.#type === HUGETLBFS }, page)
  }

  unpin(frame: number): void {
    this.#shared.unpin(frame)
  }

  protected override release(): void {
    closeSync(this.#fd)
  }
}

/** A counter at its end. */
function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}
