// SPDX-License-Identifier: MIT
/** The verdicts that the real kernel gives, on disk: `kernel-VERSION.json`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestVerdict } from './tap.ts'

export interface SelftestRecording {
  /** `uname -r`. */
  readonly kernel: string
  /** With huge pages enough. */
  readonly tests: Readonly<Record<string, TestVerdict>>
  /** Where the verdict is another one on a kernel that has none. */
  readonly withoutHugePages: Readonly<Record<string, TestVerdict>>
}

export function recordingPath(root: string, kernel: string): string {
  return join(root, `conformance/selftest/kernel-${kernel}.json`)
}

export function readRecording(root: string, kernel: string): SelftestRecording {
  const recording: SelftestRecording = JSON.parse(readFileSync(recordingPath(root, kernel), 'utf8'))
  return recording
}

export function makeRecording(
  kernel: string,
  withPages: ReadonlyMap<string, TestVerdict>,
  without: ReadonlyMap<string, TestVerdict>,
): SelftestRecording {
  const other = [...without].filter(([name, verdict]) => withPages.get(name) !== verdict)
  return { kernel, tests: Object.fromEntries(withPages), withoutHugePages: Object.fromEntries(other) }
}

/** One line a test. */
export function writeRecording(root: string, recording: SelftestRecording): void {
  writeFileSync(recordingPath(root, recording.kernel), `${JSON.stringify(recording, undefined, 2)}\n`)
}
