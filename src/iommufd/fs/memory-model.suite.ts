// SPDX-License-Identifier: MIT

/** Two bytes of each page are looked at: where they stand in it. */
export const SPOTS: readonly number[] = [0, 3000]
const PAGE = 4096

/** The bytes at the spots of a page. Pages that are one and the same share a cell. */
export type Cell = number[]

export const zeros = (): Cell => SPOTS.map(() => 0)

/** A memfd in the simplest way. */
export class ModelFile {
  size = 0
  readonly cells: Map<number, Cell> = new Map()

  get pages(): number {
    return Math.ceil(this.size / PAGE)
  }

  /** `undefined`: past the end. */
  cell(page: number): Cell | undefined {
    if (page >= this.pages) return undefined
    const known = this.cells.get(page) ?? zeros()
    this.cells.set(page, known)
    return known
  }

  truncate(bytes: number): void {
    const grows = bytes > this.size
    this.size = bytes
    for (const page of this.cells.keys()) if (page >= this.pages) this.cells.delete(page)
    const last = this.cells.get(Math.floor(bytes / PAGE))
    if (grows || last === undefined) return
    SPOTS.forEach((spot, index) => {
      if (spot >= bytes % PAGE) last[index] = 0
    })
  }
}

/** A page of a process: `file` behind it or none, and its own cell once it has one. */
export interface ModelPage {
  prot: number
  readonly shared: boolean
  readonly readOnlyFile: boolean
  readonly file: ModelFile | undefined
  readonly filePage: number
  own: Cell | undefined
}

/** What the page shows; `undefined`: SIGBUS. */
export function shown(page: ModelPage): Cell | undefined {
  if (page.own !== undefined) return page.own
  if (page.file !== undefined) return page.file.cell(page.filePage)
  page.own = zeros()
  return page.own
}

/** What a write changes; `undefined`: SIGBUS. A private page of a file becomes the process's own. */
export function written(page: ModelPage): Cell | undefined {
  const cell = shown(page)
  if (cell === undefined || page.shared || page.own !== undefined) return cell
  page.own = [...cell]
  return page.own
}

/** A process as its program sees it. */
export class ModelProcess {
  readonly pages: Map<number, ModelPage> = new Map()

  fork(): ModelProcess {
    const child = new ModelProcess()
    for (const [number, page] of this.pages) child.pages.set(number, { ...page, own: inherited(page) })
    return child
  }

  /** Private copies of pages past the end of a file go too. */
  truncated(file: ModelFile): void {
    for (const page of this.pages.values()) {
      if (page.file === file && page.filePage >= file.pages) page.own = undefined
    }
  }

  /** `false`: at a hole or a page that may not. */
  protect(first: number, end: number, prot: number): string {
    for (let number = first; number < end; number++) {
      const page = this.pages.get(number)
      if (page === undefined) return 'ENOMEM'
      if ((prot & 2) !== 0 && page.readOnlyFile) return 'EACCES'
      page.prot = prot
    }
    return 'ok'
  }

  discard(first: number, end: number): string {
    let hole = false
    for (let number = first; number < end; number++) {
      const page = this.pages.get(number)
      if (page === undefined) hole = true
      else if (!page.shared) page.own = undefined
    }
    return hole ? 'ENOMEM' : 'ok'
  }
}

/** Shared anonymous memory is one cell in all; a private one is copied. */
function inherited(page: ModelPage): Cell | undefined {
  if (!page.shared) return page.own === undefined ? undefined : [...page.own]
  if (page.file === undefined) page.own ??= zeros()
  return page.own
}
