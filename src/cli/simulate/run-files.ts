// SPDX-License-Identifier: MIT
/** The files of one run: source, destination, trace. All are opened before the run, so that nothing fails at its end. */
import type { PageSource } from '../../handlers/page-source.ts'
import { type Destination, openDestination } from '../files/destination.ts'
import { FileSource } from '../files/file-source.ts'
import { generatedSource } from '../files/generated-source.ts'
import { OutputFile } from '../files/output-file.ts'
import { complaintAt, type LoadedScenario } from '../scenario/load.ts'
import { formatBytes } from '../scenario/quantity.ts'
import { checkResidentLimit } from './resident-limit.ts'

/** What one run copies at most; hours of work, and bookkeeping of 32 MiB. */
const WORKLOAD_BYTES_MAX = 2 ** 40

export interface RunFileOptions {
  readonly tracePath: string | undefined
  readonly force: boolean
}

export class RunFiles {
  readonly source: PageSource
  readonly destination: Destination
  readonly trace: OutputFile | undefined
  #isCommitted = false

  constructor(loaded: LoadedScenario, options: RunFileOptions) {
    const { workload } = loaded.scenario
    this.source = openSource(loaded)
    const { lengthBytes } = this.source
    if (lengthBytes > WORKLOAD_BYTES_MAX) {
      const limit = `at most ${formatBytes(WORKLOAD_BYTES_MAX)}`
      throw complaintAt(loaded, ['workload', 'source'])(formatBytes(lengthBytes), limit)
    }
    checkResidentLimit(loaded, lengthBytes)
    const path = workload.destination === 'none' ? undefined : workload.destination
    if (path !== undefined && this.source instanceof FileSource && this.source.isSameFile(path)) {
      throw complaintAt(loaded, ['workload', 'destination'])(
        JSON.stringify(path),
        'another file than workload.source',
      )
    }
    this.trace =
      options.tracePath === undefined ? undefined : new OutputFile(options.tracePath, options.force)
    try {
      this.destination = openDestination(path, lengthBytes, options.force)
    } catch (error) {
      this.trace?.abort()
      throw error
    }
  }

  /** The written files appear under their names. Throws where the source changed meanwhile. */
  commit(): void {
    if (this.source instanceof FileSource) this.source.assertUnchanged()
    this.destination.commit()
    this.trace?.commit()
    this.#isCommitted = true
  }

  /** A run that was stopped leaves its trace; half a copy under the name of a whole one would be a trap. */
  commitStopped(): void {
    this.destination.abort()
    this.trace?.commit()
    this.#isCommitted = true
  }

  /** Nothing of an uncommitted run stays behind. */
  end(): void {
    if (this.source instanceof FileSource) this.source.close()
    if (this.#isCommitted) return
    this.destination.abort()
    this.trace?.abort()
  }
}

function openSource(loaded: LoadedScenario): PageSource {
  const { source } = loaded.scenario.workload
  if (source.kind !== 'file') return generatedSource(source.kind, source.lengthBytes)
  return new FileSource(source.path, complaintAt(loaded, ['workload', 'source']))
}
