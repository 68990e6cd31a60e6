// SPDX-License-Identifier: MIT
import type { DmaBuf } from '../../kernel/mm/dma-buf.ts'
import { OpenFile } from '../files.ts'

/** An open dma-buf. */
export class DmaBufFile extends OpenFile {
  readonly dmaBuf: DmaBuf

  /** Takes over the caller's reference on the dma-buf. */
  constructor(dmaBuf: DmaBuf) {
    super('/dmabuf:')
    this.dmaBuf = dmaBuf
  }

  protected override release(): void {
    this.dmaBuf.put()
  }
}
