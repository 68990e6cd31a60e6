// SPDX-License-Identifier: MIT
/** Where the copy goes: a named file, or an unnamed temporary one that nobody has to clean up. */
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PAGE_BYTES } from '../../base/u64.ts'
import type { PageSource } from '../../handlers/page-source.ts'
import { cannotWrite, OutputFile } from './output-file.ts'
import { ReadAhead } from '../../host/read-ahead.ts'

export interface Destination extends PageSource {
  writePage(pageIndex: number, from: Uint8Array, at: number): void
  /** The file appears under its name; an unnamed one is gone. */
  commit(): void
  abort(): void
}

export function openDestination(path: string | undefined, lengthBytes: number, force: boolean): Destination {
  if (path !== undefined) {
    const file = new OutputFile(path, force)
    return new FileDestination(file.fd, path, lengthBytes, file)
  }
  const spill = join(tmpdir(), `iopf-${process.pid}-${process.hrtime.bigint()}`)
  return new FileDestination(openUnnamed(spill), spill, lengthBytes, undefined)
}

class FileDestination implements Destination {
  readonly lengthBytes: number
  readonly #fd: number
  readonly #path: string
  readonly #file: OutputFile | undefined
  readonly #pages: ReadAhead
  /** One bit a page: the others are zeros and need not be read. */
  readonly #written: Uint8Array

  constructor(fd: number, path: string, lengthBytes: number, file: OutputFile | undefined) {
    this.lengthBytes = lengthBytes
    this.#fd = fd
    this.#path = path
    this.#file = file
    this.#pages = new ReadAhead(fd)
    this.#written = new Uint8Array(Math.ceil(lengthBytes / PAGE_BYTES / 8))
    try {
      ftruncateSync(fd, lengthBytes)
    } catch (error) {
      this.abort()
      throw cannotWrite(path, error)
    }
  }

  readPage(pageIndex: number, into: Uint8Array, at: number): void {
    if (this.#isWritten(pageIndex)) this.#pages.readPage(pageIndex, into, at)
    else into.fill(0, at, at + PAGE_BYTES)
  }

  writePage(pageIndex: number, from: Uint8Array, at: number): void {
    this.#pages.forget(pageIndex)
    this.#written[Math.floor(pageIndex / 8)]! |= 1 << (pageIndex % 8)
    const position = pageIndex * PAGE_BYTES
    const length = Math.min(PAGE_BYTES, this.lengthBytes - position)
    try {
      for (let done = 0; done < length; ) {
        done += writeSync(this.#fd, from, at + done, length - done, position + done)
      }
    } catch (error) {
      throw cannotWrite(this.#path, error)
    }
  }

  #isWritten(pageIndex: number): boolean {
    return ((this.#written[Math.floor(pageIndex / 8)] ?? 0) & (1 << (pageIndex % 8))) !== 0
  }

  commit(): void {
    if (this.#file === undefined) closeSync(this.#fd)
    else this.#file.commit()
  }

  abort(): void {
    if (this.#file === undefined) closeSync(this.#fd)
    else this.#file.abort()
  }
}

/** Readable and writeable, without a name from the first moment on. */
function openUnnamed(path: string): number {
  try {
    const fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    return fd
  } catch (error) {
    throw cannotWrite(`${path} (set TMPDIR to choose another directory)`, error)
  }
}
