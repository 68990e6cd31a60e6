// SPDX-License-Identifier: MIT
import type { Memfd } from '../../kernel/mm/memfd.ts'
import { type Caller, type Mapping, type MmapRequest, OpenFile } from '../files.ts'

/** An open memfd. */
export class MemfdFile extends OpenFile {
  readonly memfd: Memfd

  /** Takes over the caller's reference on the memfd. */
  constructor(memfd: Memfd) {
    super('/memfd:')
    this.memfd = memfd
  }

  override mmap(_caller: Caller, request: MmapRequest): Mapping {
    return { object: this.memfd.object, objectPage: request.firstPage }
  }

  override truncate(bytes: number): void {
    this.memfd.truncate(bytes)
  }

  override get huge(): boolean {
    return this.memfd.object.huge
  }

  protected override release(): void {
    this.memfd.put()
  }
}
