// SPDX-License-Identifier: MIT

/** An address space that shows an object, as the object sees it. */
export interface ObjectMapper {
  /** Takes the pages `firstPage` up to (not including) `endPage` of the object out, private copies of them too. */
  zapObject(object: MappedObject, firstPage: number, endPage: number): void
}

/** What can stand behind an area. Every area holds a reference. */
export interface MappedObject {
  /** Frame that the last successful `fault` found. */
  readonly found: number
  /** Memory of a device: cannot be pinned, its pages cannot be dropped. */
  readonly device: boolean
  /** Consists of huge pages: page `n` is found as long as the huge page that it lies in is. */
  readonly huge: boolean
  get(): void
  put(): void
  /** Makes page `page` present; `found` is then its frame. VM_FAULT_ bits: 0, MAJOR, or an error. */
  fault(page: number): number
  /** Frame of a page that is there, or -1. */
  peek(page: number): number
  /** An area of `mapper` shows the object from now on, or no longer: one call an area. */
  addMapper(mapper: ObjectMapper): void
  removeMapper(mapper: ObjectMapper): void
}

/** An object with a size of its own: the pages of a file. */
export interface FileObject extends MappedObject {
  /** Size in pages of 4 KiB. */
  readonly pages: number
  /** Pages from a new end on leave every address space and are freed; a pinned frame lives on by its pin. */
  resize(pages: number): void
  /** The first page from `from` on that is there. */
  nextPage(from: number): number | undefined
}
