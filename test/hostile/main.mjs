// SPDX-License-Identifier: MIT
/** `npm run hostile`: random buffers through the byte door of a machine with the mock IOMMU. An errno each, and no growth. */
import { parseArgs } from 'node:util'
import { createMachine } from '../../dist/index.js'
import { Life } from './life.mjs'
import { Random } from './random.mjs'

const HELP = `Usage: npm run hostile -- [options]

  --buffers N   calls to make (default 300000)
  --seed S      32 bits (default 1)
  --life N      calls a process makes before it ends (default 2000)
  --help        this text
`

const OPTIONS = {
  buffers: { type: 'string', default: '300000' },
  seed: { type: 'string', default: '1' },
  life: { type: 'string', default: '2000' },
  help: { type: 'boolean', default: false },
}

/** Bytes that the heap may grow by once everything is warm, and when that is taken to be so. */
const GROWTH_BYTES_MAX = 4 * 2 ** 20
const WARM_PART = 0.3
/** A call that takes longer hangs. */
const CALL_MS_MAX = 5000

function usageError(message) {
  process.stderr.write(`hostile: ${message}\n${HELP}`)
  process.exit(2)
}

function wholeNumber(name, text) {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) usageError(`--${name}: ${text}`)
  return value
}

function parsedOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values
  } catch (error) {
    return usageError(error.message)
  }
}

function heapBytes() {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

class Campaign {
  codes = new Map()
  calls = 0
  #machine = createMachine({ iommus: [{ name: 'mock0', model: 'mock', extended: true }], devices: [] })
  #freeFrames = this.#machine.frames.freeFrames
  #warmBytes = undefined

  run({ buffers, seed, lifeCalls }) {
    for (let life = 0; this.calls < buffers; life++) {
      this.#live(new Random(seed + Math.imul(life, 0x9e3779b1)), Math.min(lifeCalls, buffers - this.calls))
      if (this.#warmBytes === undefined && this.calls >= buffers * WARM_PART) this.#warmBytes = heapBytes()
    }
    return heapBytes() - (this.#warmBytes ?? 0)
  }

  #live(random, calls) {
    const life = new Life(this.#machine, random, (code) =>
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1),
    )
    for (let i = 0; i < calls; i++) {
      const before = performance.now()
      life.step()
      this.calls++
      if (performance.now() - before > CALL_MS_MAX) throw new Error(`a call took more than ${CALL_MS_MAX} ms`)
    }
    life.end()
    this.#checkNothingLeft(life)
  }

  #checkNothingLeft({ processes }) {
    for (const { mm, user } of processes)
      if (mm.pinnedVm !== 0 || mm.lockedVm !== 0 || user.lockedPages !== 0)
        throw new Error(
          `left: pinnedVm ${mm.pinnedVm}, lockedVm ${mm.lockedVm}, lockedPages ${user.lockedPages}`,
        )
    const { freeFrames } = this.#machine.frames
    if (freeFrames !== this.#freeFrames)
      throw new Error(`${this.#freeFrames - freeFrames} frames are not free again`)
  }
}

function runCampaign(options) {
  const campaign = new Campaign()
  try {
    return { campaign, grown: campaign.run(options) }
  } catch (error) {
    const { buffers, seed, lifeCalls } = options
    process.stderr.write(`hostile: call ${campaign.calls}: ${error.stack ?? error}\n`)
    process.stderr.write(
      `replay: npm run hostile -- --buffers ${buffers} --seed ${seed} --life ${lifeCalls}\n`,
    )
    return process.exit(1)
  }
}

function main(values) {
  const buffers = wholeNumber('buffers', values.buffers)
  const seed = wholeNumber('seed', values.seed)
  const start = performance.now()
  const { campaign, grown } = runCampaign({ buffers, seed, lifeCalls: wholeNumber('life', values.life) })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const codes = [...campaign.codes].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`)
  console.log(codes.join(', '))
  console.log(
    `${campaign.calls} buffers in ${seconds} s, seed ${seed}: an errno each; the heap grew by ${Math.round(grown / 1024)} KiB`,
  )
  if (grown > GROWTH_BYTES_MAX && globalThis.gc !== undefined) {
    process.stderr.write('hostile: the heap grows\n')
    process.exit(1)
  }
}

const values = parsedOptions()
if (values.help) process.stdout.write(HELP)
else main(values)
