// SPDX-License-Identifier: MIT
/** `iopf trace export`: the same events for another tool. */
import type { Recorder } from '../../trace/recorder.ts'
import { EXIT_OK } from '../exit.ts'
import { OutputFile } from '../files/output-file.ts'
import type { Invocation } from '../options.ts'
import { writeOut } from '../terminal.ts'
import { readTrace } from './read.ts'

export async function run(invocation: Invocation): Promise<number> {
  const path = invocation.text('output')
  const file = path === undefined ? undefined : new OutputFile(path, invocation.flag('force'))
  try {
    const { trace, seed } = readTrace(invocation.arguments[0]!)
    const pieces = await exportAs(invocation.text('format') ?? '', trace, seed)
    for (const piece of pieces) {
      if (file === undefined) await writeOut(piece)
      else file.write(piece)
    }
    file?.commit()
  } catch (error) {
    file?.abort()
    throw error
  }
  return EXIT_OK
}

async function exportAs(
  format: string,
  trace: Recorder,
  seed: number | undefined,
): Promise<Iterable<string | Uint8Array>> {
  if (format === 'perfetto') return (await import('../../trace/export-perfetto.ts')).exportPerfetto(trace)
  if (format === 'ftrace') return (await import('../../trace/export-ftrace.ts')).exportFtrace(trace)
  const { exportNdjson } = await import('../../trace/export-ndjson.ts')
  return exportNdjson(trace, seed === undefined ? {} : { seed })
}
