// SPDX-License-Identifier: MIT
/** Cases and their answers on disk. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { encodeCase } from '../format/encode.ts'
import type { EncodedCase } from '../format/encoded.ts'
import { type Case, parseCase } from '../format/parse.ts'
import type { RecordedAnswer } from './answers.ts'

export interface LoadedCase {
  readonly test: Case
  readonly encoded: EncodedCase
  /** Absolute path. */
  readonly path: string
}

/** What the kernel answered. */
export interface Recording {
  /** `uname -r`, and whether it was the extended kernel. */
  readonly kernel: string
  readonly answers: readonly RecordedAnswer[]
}

export function casesFolder(root: string): string {
  return join(root, 'conformance/cases')
}

/** Case files below the folder, or the given files and folders. */
export function findCases(root: string, paths: readonly string[]): string[] {
  const starts = paths.length > 0 ? paths : [casesFolder(root)]
  return starts.flatMap((start) => (start.endsWith('.yaml') ? [start] : yamlFilesBelow(start))).sort()
}

function yamlFilesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Throws `CaseError`. */
export function loadCase(root: string, path: string): LoadedCase {
  const name = relative(root, path)
  const test = parseCase(name.startsWith('..') ? path : name, readFileSync(path, 'utf8'))
  return { test, encoded: encodeCase(test), path }
}

export function recordingPath(casePath: string): string {
  return casePath.replace(/\.yaml$/, '.answers.json')
}

export function readRecording(casePath: string): Recording | undefined {
  const path = recordingPath(casePath)
  if (!existsSync(path)) return undefined
  const recording: Recording = JSON.parse(readFileSync(path, 'utf8'))
  return recording
}

/** One line an answer. */
export function writeRecording(casePath: string, { kernel, answers }: Recording): void {
  const lines = answers.map((answer) => `    ${JSON.stringify(answer)}`)
  const text = `{\n  "kernel": ${JSON.stringify(kernel)},\n  "answers": [\n${lines.join(',\n')}\n  ]\n}\n`
  writeFileSync(recordingPath(casePath), text)
}
