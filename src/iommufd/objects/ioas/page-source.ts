// SPDX-License-Identifier: MIT
import { EINVAL } from '../../../base/errno.ts'
import type { Domain } from '../../../kernel/iommu/domain.ts'
import type { OpenFile } from '../../files.ts'
import type { FilePages } from '../../user-memory.ts'

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

/** The file behind a pages object: held open while the object lives. */
export class FileSource {
  readonly #file: OpenFile
  /** Absent: a file whose memory cannot be pinned, which is noticed only when it is tried (`spec/02` §3.3). */
  readonly #memory: FilePages | undefined

  constructor(file: OpenFile, memory: FilePages | undefined) {
    this.#file = file
    this.#memory = memory
    file.get()
  }

  /** EINVAL, ENOMEM. */
  pin(page: number): number {
    if (this.#memory === undefined) throw EINVAL
    return this.#memory.pin(page)
  }

  unpin(frame: number, dirty: boolean): void {
    this.#memory!.unpin(frame, dirty)
  }

  close(): void {
    this.#file.put()
  }
}

/** An area in a domain. */
export interface Shown {
  /** Takes it out of the domain. */
  withdraw(domain: Domain): void
}

/**
 * The dma-buf behind a pages object. Once the exporter has taken it back the object is dead: its areas stay, show
 * nothing, and never show anything again, also when the exporter lends the buffer out again (observed on 7.2.13).
 */
export class BufferSource implements DmaBufImporter {
  dead = false
  readonly #file: OpenFile
  readonly #buffer: SharedBuffer
  readonly #firstPage: number
  #shown: { readonly area: Shown; readonly domain: Domain }[] = []

  constructor(file: OpenFile, buffer: SharedBuffer, firstPage: number) {
    this.#file = file
    this.#buffer = buffer
    this.#firstPage = firstPage
    file.get()
    buffer.addImporter(this)
  }

  frameAt(index: number): number {
    return this.#buffer.frameAt(this.#firstPage + index)
  }

  shows(area: Shown, domain: Domain): void {
    this.#shown.push({ area, domain })
  }

  hides(area: Shown, domain: Domain): void {
    this.#shown = this.#shown.filter((entry) => entry.area !== area || entry.domain !== domain)
  }

  revoked(): void {
    this.dead = true
    const shown = this.#shown
    this.#shown = []
    for (const { area, domain } of shown) area.withdraw(domain)
  }

  close(): void {
    this.#buffer.removeImporter(this)
    this.#file.put()
  }
}
