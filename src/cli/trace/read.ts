// SPDX-License-Identifier: MIT
/** Reads a trace file line by line; whatever is wrong with it is named with file and line. */
import { closeSync, openSync, readSync } from 'node:fs'
import { type ImportedTrace, importNdjson, TraceFormatError } from '../../trace/import-ndjson.ts'
import { CliError, EXIT_INPUT, explainFileError } from '../exit.ts'

const CHUNK_BYTES = 1 << 16
/** Longer than any line of a trace; the importer names the exact limit. */
const LINE_CHARACTERS_MAX = 1 << 20

export function readTrace(file: string): ImportedTrace {
  const expected = 'an NDJSON trace as `iopf simulate --trace` writes it'
  try {
    const fd = openSync(file, 'r')
    try {
      return importNdjson(linesOf(fd))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (error instanceof TraceFormatError) {
      const text = error.message.replace(/^line \d+: /, '')
      throw new CliError(EXIT_INPUT, `${file}:${error.line}: ${text}; a trace is ${expected}`)
    }
    if (!(error instanceof Error && 'code' in error)) throw error
    throw new CliError(
      EXIT_INPUT,
      `${file}: cannot read the trace: ${explainFileError(error)}; expected ${expected}`,
    )
  }
}

/** Lines without their end; the last one may lack it. */
function* linesOf(fd: number): Generator<string> {
  const decoder = new TextDecoder()
  const buffer = new Uint8Array(CHUNK_BYTES)
  let rest = ''
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
    const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > LINE_CHARACTERS_MAX) break
  }
  if (rest !== '') yield rest
}
