// SPDX-License-Identifier: MIT
/** Where the pages of a file-like object come from. */
export interface PageProvider {
  /** Fills the frame (its bytes are undefined before) with page `page`; VM_FAULT_ bits, an error bit refuses. */
  fill(page: number, frame: number): number
}

/** Pages that several mappings show: shared anonymous memory, a memfd, a file's page cache. */
export declare class MemoryObject {
  /** Size; a fault past it is SIGBUS. */
  readonly pages: number
}
