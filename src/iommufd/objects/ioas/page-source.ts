// SPDX-License-Identifier: MIT
import type { OpenFile } from '../../files.ts'

/** Memory of a file (memfd, hugetlb) as pages objects pin it. */
export interface FilePages {
  /** Pins the page for long; returns its frame. EINVAL: past the end; ENOMEM. */
  pin(page: number): number
  unpin(frame: number, dirty: boolean): void
}

/** Who has a dma-buf mapped. */
export interface DmaBufImporter {
  /** The memory must not be reached any more when this returns. */
  revoked(): void
}

/** A dma-buf as pages objects map it: consecutive frames, not pinned, taken away at any time. */
export interface SharedBuffer {
  readonly lengthBytes: number
  readonly revoked: boolean
  /** Frame of a page. */
  frameAt(page: number): number
  addImporter(importer: DmaBufImporter): void
  removeImporter(importer: DmaBufImporter): void
}

/** An open file whose memory can be pinned. */
export interface FilePagesFile extends OpenFile {
  readonly memfd: FilePages
}

/** An open dma-buf. */
export interface SharedBufferFile extends OpenFile {
  readonly dmaBuf: SharedBuffer
}

export function isFilePagesFile(file: OpenFile): file is FilePagesFile {
  return 'memfd' in file
}

export function isSharedBufferFile(file: OpenFile): file is SharedBufferFile {
  return 'dmaBuf' in file
}
