// SPDX-License-Identifier: MIT
import { encodeCase } from '../format/encode.ts'
import { caseOfSteps, generateSteps } from '../fuzz/generate.ts'
import { isProfile, PROFILE_NAMES } from '../fuzz/profiles.ts'
import { type FileCoverage, mergeCoverage, readCoverage } from '../kernel/coverage.ts'
import { findKernel, findProgram, HostError, startGuest } from '../kernel/reference.ts'
import type { Program } from '../program/program.ts'
import { findCases, loadCase } from '../record/files.ts'
import { type Command, command, parsedArgs } from './command.ts'

const HELP = `Usage: npm run conformance:coverage -- [options] [case or folder ...]

Runs the cases on the extended kernel and says which share of the kernel's lines they reach, by file.

  --fuzz N      random programs of each profile besides, from seed 1 (default 0)
  --functions   also functions that were not wholly reached, by name
  --help        this text
`

const OPTIONS = {
  fuzz: { type: 'string', default: '0' },
  functions: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** `npm run conformance:coverage`. */
export const run: Command = command(async (root, args) => {
  const { values, positionals } = parsedArgs(args, OPTIONS)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const cases = findCases(root, positionals).map((path) => loadCase(root, path))
  const huge = Math.max(0, ...cases.map(({ test }) => Number(test.machine.hugePages ?? 0n)))
  const programs = cases.map(({ encoded }) => encoded.program)
  const gcov = findProgram('gcov', 'install gcc')
  const files = mergeCoverage([
    await cover(root, gcov, huge, [...programs, ...randomPrograms(Number(values.fuzz))]),
  ])
  if (files.length === 0) throw new HostError('this kernel counts nothing: build it with --extension')
  process.stdout.write(report(files, values.functions))
  return 0
})

function randomPrograms(count: number): Program[] {
  return PROFILE_NAMES.filter(isProfile).flatMap((profile) =>
    Array.from({ length: count }, (_, index) => {
      const steps = generateSteps(1 + index, { profile, extended: true, steps: 60 })
      return encodeCase(caseOfSteps('random', steps, true)).program
    }),
  )
}

async function cover(
  root: string,
  gcov: string,
  hugePages: number,
  programs: readonly Program[],
): Promise<FileCoverage[]> {
  const guest = startGuest(root, 'ext', hugePages)
  try {
    await guest.run(programs)
    return readCoverage(findKernel('ext'), gcov, await guest.coverage())
  } finally {
    await guest.close()
  }
}

function report(files: readonly FileCoverage[], withFunctions: boolean): string {
  const rows = files.map(({ file, lines }) => rowOf(file, [...lines.values()]))
  const others = files.filter(({ file }) => !/\/(?:io-pgfault|eventq|selftest)\.c$/.test(file))
  const rest = rowOf(
    'the rest without selftest.c',
    others.flatMap(({ lines }) => [...lines.values()]),
  )
  const functions = withFunctions ? files.flatMap(missingOf) : []
  return [...rows, rest, ...functions, ''].join('\n')
}

function rowOf(name: string, lines: readonly boolean[]): string {
  const reached = lines.filter(Boolean).length
  const share = ((100 * reached) / Math.max(1, lines.length)).toFixed(1)
  return `${share.padStart(6)} %  ${String(reached).padStart(5)} of ${String(lines.length).padStart(5)} lines  ${name}`
}

function missingOf({ file, functions, lines, owners }: FileCoverage): string[] {
  const missed = new Map<string, number>()
  for (const [line, reached] of lines) {
    const owner = owners.get(line) ?? ''
    if (!reached) missed.set(owner, (missed.get(owner) ?? 0) + 1)
  }
  return [...functions]
    .filter(([, { blocks, reached }]) => reached < blocks)
    .map(([name, { blocks, reached }]) => {
      const lines = String(missed.get(name) ?? 0).padStart(4)
      return `${lines} lines missing, ${reached} of ${blocks} blocks  ${file}: ${name}`
    })
}
