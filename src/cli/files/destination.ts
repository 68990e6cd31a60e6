// SPDX-License-Identifier: MIT
/** Where the copy goes: a named file, or an unnamed temporary one that nobody has to clean up. */
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PAGE_BYTES } from '../../base/u64.ts'
import type { PageSource } from '../../handlers/page-source.ts'
import { readFully } from './file-source.ts'
import { cannotWrite, OutputFile } from './output-file.ts'

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

  constructor(fd: number, path: string, lengthBytes: number, file: OutputFile | undefined) {
    this.lengthBytes = lengthBytes
    this.#fd = fd
    this.#path = path
    this.#file = file
    try {
      ftruncateSync(fd, lengthBytes)
    } catch (error) {
      this.abort()
      throw cannotWrite(path, error)
    }
  }

  readPage(pageIndex: number, into: Uint8Array, at: number): void {
    const read = readFully(this.#fd, into, at, PAGE_BYTES, pageIndex * PAGE_BYTES)
    if (read < PAGE_BYTES) into.fill(0, at + read, at + PAGE_BYTES)
  }

  writePage(pageIndex: number, from: Uint8Array, at: number): void {
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
