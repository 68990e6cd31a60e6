// SPDX-License-Identifier: MIT
/** `npm run bench`: our figures beside those of C programs on the same machine, in the same run, in CPU time. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { kernelFigures } from './kernel.mjs'
import { LINES } from './lines.mjs'
import { measureLine } from './measure.mjs'
import { PeerUnavailable, Peers } from './peers.mjs'
import { describe, footer, header, row } from './table.mjs'

const OPTIONS = {
  json: { type: 'string' },
  only: { type: 'string', multiple: true },
  kernel: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  help: { type: 'boolean', default: false },
}

const HELP = `Usage: npm run bench -- [options]

  --json FILE    also write the figures to FILE
  --only NAME    this line only; all lines of a family by its beginning (may be repeated)
  --kernel FILE  a kernel (vmlinux) with iommufd's test commands: the loops of the byte door on it under QEMU, too
  --rounds N     rounds a line, 1 to 1000 (default 5); the median ratio counts
  --help         this text

Lines:
${LINES.map((line) => `  ${line.name.padEnd(22)} ${line.about}`).join('\n')}
`

function usageError(message) {
  process.stderr.write(`bench: ${message}\nTry: npm run bench -- --help\n`)
  process.exit(2)
}

function parsedOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values
  } catch (error) {
    return usageError(error.message)
  }
}

function roundsFrom(text) {
  const rounds = Number(text)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000)
    usageError(`--rounds: ${text} is not 1 to 1000`)
  return rounds
}

function chosenLines(only) {
  if (only === undefined) return LINES
  for (const name of only) {
    if (!LINES.some((line) => line.name.startsWith(name))) usageError(`--only: no line begins with ${name}`)
  }
  return LINES.filter((line) => only.some((name) => line.name.startsWith(name)))
}

/** The kernel's figures by loop; said and left out when there are none. */
function figuresOfKernel(vmlinux, peers, chosen) {
  if (vmlinux === undefined || !chosen.some((line) => line.kernel !== undefined)) return new Map()
  try {
    return kernelFigures(vmlinux, peers)
  } catch (error) {
    if (!(error instanceof PeerUnavailable)) throw error
    process.stderr.write(`bench: --kernel: ${error.message}\n`)
    return new Map()
  }
}

/** The entry with what the kernel needs for the same, emulated. */
function withKernel(entry, nanos) {
  if (nanos === undefined) return entry
  const said = `kernel under QEMU, emulated: about ${nanos.toPrecision(2) * 1} ns`
  return { ...entry, kernel: nanos, note: entry.note === undefined ? said : `${entry.note}; ${said}` }
}

async function measureAll(chosen, { rounds, kernel }) {
  const peers = new Peers()
  process.on('exit', () => peers.remove())
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const lines = []
  const kernelNanos = figuresOfKernel(kernel, peers, chosen)
  console.log(header())
  for (const line of chosen) {
    const entry = withKernel(await measureLine(line, peers, rounds), kernelNanos.get(line.kernel))
    lines.push(entry)
    console.log(row(entry))
  }
  return lines
}

const options = parsedOptions()
if (options.help) {
  process.stdout.write(HELP)
} else {
  const rounds = roundsFrom(options.rounds)
  const chosen = chosenLines(options.only)
  console.log(describe(rounds))
  const lines = await measureAll(chosen, { rounds, kernel: options.kernel })
  console.log(footer(lines))
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ lines }, null, 2)}\n`)
  // A missed goal is said, not punished: figures of a shared machine gate nothing. A line that could not run does.
  if (lines.some((line) => line.ours === null)) process.exitCode = 1
}
