// SPDX-License-Identifier: MIT
/** Line coverage of the kernel from what gcov counted. No source is opened: gcov tells line numbers and names of functions. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import type { CoverageFile } from './guest.ts'

export interface FileCoverage {
  /** From the top of the source, for instance `drivers/iommu/io-pgfault.c`. */
  readonly file: string
  readonly lines: ReadonlyMap<number, boolean>
  /** Functions with how many of their blocks ran. */
  readonly functions: ReadonlyMap<string, { readonly blocks: number; readonly reached: number }>
  /** Function of each line. */
  readonly owners: ReadonlyMap<number, string>
}

const REPORT = z.object({
  files: z.array(
    z.object({
      file: z.string(),
      lines: z.array(
        z.object({ line_number: z.number(), count: z.number(), function_name: z.string().optional() }),
      ),
      functions: z.array(z.object({ name: z.string(), blocks: z.number(), blocks_executed: z.number() })),
    }),
  ),
})

/** `vmlinux`: the image that counted; its build directory holds what gcov needs. */
export function readCoverage(
  vmlinux: string,
  gcov: string,
  counted: readonly CoverageFile[],
): FileCoverage[] {
  const build = dirname(realpathSync(vmlinux))
  const folder = mkdtempSync(join(tmpdir(), 'iopf-gcov-'))
  try {
    return counted.flatMap((data) => readOne(build, gcov, folder, data) ?? [])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readOne(
  build: string,
  gcov: string,
  folder: string,
  { path, bytes }: CoverageFile,
): FileCoverage | undefined {
  const unit = /(drivers\/iommu\/.*)\.gcda$/.exec(path)?.[1]
  if (unit === undefined) return undefined
  const place = join(folder, dirname(unit))
  mkdirSync(place, { recursive: true })
  writeFileSync(join(folder, `${unit}.gcda`), bytes)
  symlinkSync(join(build, `${unit}.gcno`), join(folder, `${unit}.gcno`))
  const args = ['--json-format', '--stdout', join(folder, `${unit}.gcda`)]
  const text = execFileSync(gcov, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 28,
  })
  const { files } = REPORT.parse(JSON.parse(text.toString()))
  const own = files.filter(({ file }) => basename(file) === `${basename(unit)}.c`)
  const lines = new Map<number, boolean>()
  const functions = new Map<string, { blocks: number; reached: number }>()
  const owners = new Map<number, string>()
  for (const one of own) {
    for (const { line_number, count, function_name } of one.lines) {
      if (function_name !== undefined) owners.set(line_number, function_name)
      lines.set(line_number, count > 0 || lines.get(line_number) === true)
    }
    for (const { name, blocks, blocks_executed } of one.functions) {
      functions.set(name, { blocks, reached: blocks_executed })
    }
  }
  return { file: `${unit}.c`, lines, functions, owners }
}

/** The same files of several runs: a line is reached when one of them reached it. */
export function mergeCoverage(runs: readonly (readonly FileCoverage[])[]): FileCoverage[] {
  const merged = new Map<string, FileCoverage>()
  for (const one of runs.flat()) {
    const before = merged.get(one.file)
    merged.set(one.file, before === undefined ? one : mergeFile(before, one))
  }
  return [...merged.values()].sort((a, b) => a.file.localeCompare(b.file))
}

function mergeFile(a: FileCoverage, b: FileCoverage): FileCoverage {
  const lines = new Map([...a.lines].map(([line, reached]) => [line, reached || b.lines.get(line) === true]))
  const functions = new Map(
    [...a.functions].map(([name, { blocks, reached }]) => [
      name,
      { blocks, reached: Math.max(reached, b.functions.get(name)?.reached ?? 0) },
    ]),
  )
  return { file: a.file, lines, functions, owners: a.owners }
}
