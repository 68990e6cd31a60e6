// SPDX-License-Identifier: MIT
/** The user's file as page source. Checked before it is opened: a FIFO would block, a device never end. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import type { PageSource } from '../../handlers/page-source.ts'
import { CliError, EXIT_INPUT, explainFileError } from '../exit.ts'
import { ReadAhead } from '../../host/read-ahead.ts'

/** Makes the error for a file that is not what was expected: `got` and `expected` complete its sentence. */
export type FileComplaint = (got: string, expected: string) => CliError

const EXPECTED = 'an ordinary file that can be read'

export class FileSource implements PageSource {
  readonly lengthBytes: number
  readonly path: string
  readonly #fd: number
  readonly #opened: Stats
  readonly #pages: ReadAhead

  constructor(path: string, complain: FileComplaint) {
    this.path = path
    this.#fd = openOrdinary(path, complain)
    this.#pages = new ReadAhead(this.#fd)
    this.#opened = fstatSync(this.#fd)
    this.lengthBytes = this.#opened.size
    if (this.lengthBytes === 0 && readSync(this.#fd, new Uint8Array(1), 0, 1, 0) > 0) {
      this.close()
      throw complain(
        `${JSON.stringify(path)}, which says 0 bytes but has more`,
        'an ordinary file, not one of /proc or /sys; copy it first',
      )
    }
  }

  readPage(pageIndex: number, into: Uint8Array, at: number): void {
    this.#pages.readPage(pageIndex, into, at)
  }

  /** The same file behind another name? */
  isSameFile(path: string): boolean {
    try {
      const { ino, dev } = statSync(path)
      return ino === this.#opened.ino && dev === this.#opened.dev
    } catch {
      return false
    }
  }

  /** Throws where somebody wrote to the file since it was opened: its digest would prove nothing. */
  assertUnchanged(): void {
    const { size, mtimeMs } = fstatSync(this.#fd)
    if (size === this.#opened.size && mtimeMs === this.#opened.mtimeMs) return
    throw new CliError(EXIT_INPUT, `${this.path}: the file changed while it was copied; run again on a copy`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function openOrdinary(path: string, complain: FileComplaint): number {
  const shown = JSON.stringify(path)
  try {
    const stats = statSync(path)
    if (!stats.isFile()) throw complain(`${shown}, which is ${kindOf(stats)}`, EXPECTED)
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof CliError) throw error
    throw complain(`${shown} (${explainFileError(error)})`, EXPECTED)
  }
}

export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO'
  if (stats.isSocket()) return 'a socket'
  return stats.isBlockDevice() ? 'a block device' : 'a character device'
}
