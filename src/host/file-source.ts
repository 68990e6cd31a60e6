// SPDX-License-Identifier: MIT
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { PageSource } from '../handlers/page-source.ts'
import { ReadAhead } from './read-ahead.ts'

/** Pages of an open file, read when a fault asks for them. */
export interface FileSource extends PageSource {
  /** No page can be read afterwards. */
  close(): void
}

/** Opens an ordinary file as a read-only page source. Throws what node:fs throws, and a TypeError for anything else than a file. */
export function openFileSource(path: string): FileSource {
  const fd = openSync(path, 'r')
  const stats = fstatSync(fd)
  if (!stats.isFile()) {
    closeSync(fd)
    throw new TypeError(`${path} is not an ordinary file`)
  }
  const pages = new ReadAhead(fd)
  return {
    lengthBytes: stats.size,
    readPage: (pageIndex, into, at) => pages.readPage(pageIndex, into, at),
    close: () => closeSync(fd),
  }
}
