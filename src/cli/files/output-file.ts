// SPDX-License-Identifier: MIT
/** Files that the command writes: beside their place, then renamed; one that exists stays unless the user said --force. */
import {
  closeSync,
  linkSync,
  openSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { CliError, EXIT_HOST, EXIT_USAGE, explainFileError } from '../exit.ts'
import { kindOf } from './file-source.ts'

export class OutputFile {
  readonly path: string
  readonly fd: number
  readonly #isForced: boolean
  /** Undefined: a pipe or a device such as /dev/null, written in place. */
  readonly #beside: string | undefined

  /** Throws CliError (usage) where the file exists and `force` is not set, (host) where it cannot be written. */
  constructor(path: string, force: boolean) {
    this.path = path
    this.#isForced = force
    const stats = statsOf(path)
    if (stats?.isDirectory() === true) throw refusal(path, 'this is a directory, expected a file name')
    if (stats?.isFile() === true && !force) throw existing(path)
    const inPlace = stats !== undefined && !stats.isFile()
    this.#beside = inPlace ? undefined : besideName(path)
    this.fd = openFor(path, this.#beside, stats)
    if (this.#beside !== undefined) unfinished.add(this.#beside)
  }

  write(piece: string | Uint8Array): void {
    const bytes = typeof piece === 'string' ? new TextEncoder().encode(piece) : piece
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done)
    } catch (error) {
      throw cannotWrite(this.path, error)
    }
  }

  /** The file appears under its name. */
  commit(): void {
    closeSync(this.fd)
    if (this.#beside === undefined) return
    try {
      if (this.#isForced) renameSync(this.#beside, this.path)
      else publish(this.#beside, this.path)
    } finally {
      unfinished.delete(this.#beside)
    }
  }

  /** Nothing stays behind. */
  abort(): void {
    closeSync(this.fd)
    if (this.#beside === undefined) return
    unlinkQuietly(this.#beside)
    unfinished.delete(this.#beside)
  }
}

const unfinished = new Set<string>()

/** For an end in a hurry: a second SIGINT, a failed assertion. */
export function removeUnfinishedFiles(): void {
  for (const path of unfinished) unlinkQuietly(path)
  unfinished.clear()
}

export function cannotWrite(path: string, error: unknown): CliError {
  return new CliError(EXIT_HOST, `${path}: cannot write: ${explainFileError(error)}`)
}

function openFor(path: string, beside: string | undefined, stats: Stats | undefined): number {
  if (stats?.isSocket() === true || stats?.isBlockDevice() === true) {
    throw refusal(path, `this is ${kindOf(stats)}, expected a file name`)
  }
  try {
    return beside === undefined ? openSync(path, 'w') : openSync(beside, 'wx+', 0o666)
  } catch (error) {
    throw cannotWrite(path, error)
  }
}

/** Undefined where nothing has the name. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw cannotWrite(path, error)
  }
}

function besideName(path: string): string {
  return join(dirname(path), `.${basename(path)}.iopf-${process.pid}`)
}

/** Rename that never replaces: a link fails where the name is taken meanwhile. */
function publish(beside: string, path: string): void {
  try {
    linkSync(beside, path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') {
      unlinkQuietly(beside)
      throw existing(path)
    }
    renameSync(beside, path)
    return
  }
  unlinkSync(beside)
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already.
  }
}

function existing(path: string): CliError {
  return refusal(path, 'the file exists; next: choose another name, or add --force')
}

function refusal(path: string, why: string): CliError {
  return new CliError(EXIT_USAGE, `${path}: ${why}`)
}
