// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import type { DmaBuf } from '../../kernel/mm/dma-buf.ts'
import { type Caller, type Mapping, OpenFile, POLL_IN, POLL_OUT } from '../files.ts'
import { O_ACCMODE, O_NONBLOCK, SEEK_END, SEEK_SET } from './constants.ts'

/** An open dma-buf, whose exporter lets nobody map it but devices. */
export class DmaBufFile extends OpenFile {
  readonly dmaBuf: DmaBuf

  /** Takes over the caller's reference on the dma-buf. `flags`: O_ flags of the exporter's caller. */
  constructor(dmaBuf: DmaBuf, flags: number) {
    super('/dmabuf:')
    this.dmaBuf = dmaBuf
    this.flags = flags & (O_ACCMODE | O_NONBLOCK)
  }

  /** Tells the size: the end, or the start, and nothing else. EINVAL. */
  override seek(offset: number, whence: number): number {
    if (offset !== 0 || (whence !== SEEK_SET && whence !== SEEK_END)) throw EINVAL
    return whence === SEEK_END ? this.dmaBuf.lengthBytes : 0
  }

  override mmap(_caller: Caller): Mapping {
    throw EINVAL
  }

  override poll(): number {
    return POLL_IN | POLL_OUT
  }

  protected override release(): void {
    this.dmaBuf.put()
  }
}
