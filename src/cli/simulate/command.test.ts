// SPDX-License-Identifier: MIT
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildOptions, type Finished, iopf, ROOT } from '../child.suite.ts'

const EXAMPLE = 'examples/demand-paging.yaml'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-simulate-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function written(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

function sparse(name: string, length: number): string {
  const path = written(name, 'begin')
  truncateSync(path, length)
  return path
}

const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff)

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function simulate(words: readonly string[], options?: ChildOptions): Promise<Finished> {
  return iopf(['simulate', EXAMPLE, ...words], options)
}

interface Document {
  readonly ok: boolean
  readonly bytes: number
  readonly stopped: boolean
  readonly seed: number
  readonly digests: { readonly source: string; readonly destination: string }
}

function parse({ stdout }: Finished): Document {
  const document: Document = JSON.parse(stdout)
  return document
}

const WALL_TIME = /wall time .*/

async function traceOf(seed: number, name: string): Promise<string> {
  const path = join(folder, name)
  const words = ['--seed', String(seed), '--set', 'decisions=random', '--trace', path]
  const { exitCode, stderr } = await simulate([...words, '--set', 'workload.source={ pattern: 64KiB }'])
  expect(exitCode, stderr).toBe(0)
  return readFileSync(path, 'utf8')
}

/** Sends SIGINT so many milliseconds after the start. */
function interrupt(times: readonly number[]): ChildOptions {
  return {
    onStart: (child) => {
      for (const millis of times) setTimeout(() => child.kill('SIGINT'), millis)
    },
  }
}

describe('the bytes arrive', () => {
  it.each([0, 1, 4095, 4096, 4097, 300_001])('of a file of %i bytes', async (length) => {
    const bytes = bytesOf(length)
    const source = written(`in-${length}`, bytes)
    const copy = join(folder, `out-${length}`)
    const words = ['--set', `workload.source=${source}`, '--set', `workload.destination=${copy}`, '--json']
    const finished = await simulate(words)
    expect(finished.exitCode, finished.stderr).toBe(0)
    const digests = { source: sha256(bytes), destination: sha256(bytes) }
    expect(parse(finished)).toMatchObject({ ok: true, bytes: length, digests })
    expect(Buffer.compare(readFileSync(copy), bytes)).toBe(0)
  })

  it('of a sparse file', async () => {
    const path = sparse('sparse', 20_000_001)
    const finished = await simulate(['--set', `workload.source=${path}`, '--json'])
    expect(parse(finished)).toMatchObject({ ok: true, bytes: 20_000_001 })
    expect(parse(finished).digests.destination).toBe(sha256(readFileSync(path)))
  })

  it('of 1 GiB under 500 MB of memory', { timeout: 600_000 }, () => {
    const path = sparse('huge', 2 ** 30)
    const hook = "process.on('exit',()=>process.stderr.write('\\n'+process.resourceUsage().maxRSS))"
    const main = join(ROOT, 'dist/cli/main.js')
    const words = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, main, 'simulate', EXAMPLE]
    const child = spawnSync(
      process.execPath,
      [...words, '--set', `workload.source=${path}`, '--json', '--quiet'],
      {
        cwd: ROOT,
        encoding: 'utf8',
      },
    )
    expect(child.status, child.stderr).toBe(0)
    expect(JSON.parse(child.stdout)).toMatchObject({ ok: true, bytes: 2 ** 30 })
    const kilobytes = Number(child.stderr.split('\n').at(-1))
    expect(kilobytes).toBeGreaterThan(10_000)
    expect(kilobytes).toBeLessThan(500_000)
  })

  it.each(readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.yaml')))(
    'as %s expects',
    async (name) => {
      const finished = await iopf(['simulate', `examples/${name}`])
      expect(finished.exitCode, `${finished.stdout}${finished.stderr}`).toBe(0)
      expect(finished.stderr).toBe('')
    },
  )
})

describe('a source that is none ends with 3, place, value and expectation:', () => {
  it.each([
    ['missing', (path: string) => path, 'there is no such file'],
    ['a directory', mkdirSync, 'which is a directory'],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'which is a FIFO'],
  ])('%s', async (what, make, why) => {
    const path = join(folder, `source-${what.replaceAll(' ', '-')}`)
    make(path)
    const scenario = written('s.yaml', `name: x\nworkload:\n  source: ${path}\n`)
    const { stdout, stderr, exitCode } = await iopf(['simulate', scenario])
    expect([stdout, exitCode]).toEqual(['', 3])
    expect(stderr).toContain(`iopf: ${scenario}:3:11: workload.source: got "${path}"`)
    expect(stderr).toContain(why)
    expect(stderr).toContain('expected an ordinary file that can be read')
  })

  it('a device file, given by --set', async () => {
    const { stderr, exitCode } = await simulate(['--set', 'workload.source=/dev/zero'])
    expect(exitCode).toBe(3)
    expect(stderr).toContain(
      '--set workload.source=/dev/zero: workload.source: got "/dev/zero", which is a character',
    )
  })

  it('more than can be copied', async () => {
    const { stderr, exitCode } = await simulate(['--set', 'workload.source={ zeros: 7000TiB }'])
    expect(exitCode).toBe(3)
    expect(stderr).toContain('workload.source: got 7000 TiB, expected at most 1.00 TiB')
  })
})

describe('a scenario that is none ends with 3:', () => {
  it.each([
    ['an unknown key', 'name: x\nwrkload: {}\n', ':2:1: wrkload: got unknown key "wrkload"'],
    [
      'a wrong unit',
      'name: x\nlatencies: { ats: 5 m }\nworkload: { source: x }\n',
      ':2:19: latencies.ats: got "5 m"',
    ],
    ['a circle', 'name: &a [*a]\n', ':1:11: alias *a contains itself'],
    ['garbage', new Uint8Array(10_000_000).map((_, index) => (index * 7919) & 0xff), 'got more than 256 KiB'],
  ])('%s', async (_what, text, message) => {
    const { stdout, stderr, exitCode } = await iopf(['simulate', written('bad.yaml', text)])
    expect([stdout, exitCode]).toEqual(['', 3])
    expect(stderr).toContain(message)
  })

  it('a resident set with which no device ever gets on', async () => {
    const words = ['--set', 'workload.source={ pattern: 1MiB }']
    const { stderr, exitCode } = await simulate([...words, '--set', 'process.handler.residentLimit=16KiB'])
    expect(exitCode).toBe(3)
    expect(stderr).toContain('process.handler.residentLimit: got 16.0 KiB, expected at least 32768 bytes')
  })
})

describe('a missed threshold', () => {
  it('ends with 5 and says which', async () => {
    const words = ['--set', 'expect.p99.max=1us', '--set', 'expect.pageRequests.min=1000000']
    const { stdout, exitCode } = await simulate(words)
    expect(exitCode).toBe(5)
    expect(stdout).toMatch(/^missed {2}p99: got .* us, expected at most 1\.00 us$/m)
    expect(stdout).toMatch(/^missed {2}pageRequests: got \d+, expected at least 1000000$/m)
    const json = await simulate([...words, '--json'])
    expect([json.exitCode, parse(json).ok]).toEqual([5, false])
  })
})

describe('the seed', () => {
  it('stands in the first and in the last line, which does the same again', async () => {
    const words = [
      '--seed',
      '0x2a',
      '--set',
      'decisions=random',
      '--set',
      'workload.source={ pattern: 64KiB }',
    ]
    const { stdout } = await simulate(words)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('demand-paging: seed 42')
    const shown = /^reproduce: iopf (.*)$/.exec(lines.at(-1)!)?.[1]
    const again = execFileSync('bash', ['-c', `exec '${process.execPath}' dist/cli/main.js ${shown}`], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(again.replace(WALL_TIME, '')).toBe(stdout.replace(WALL_TIME, ''))
  })

  it('decides everything: the same one gives the same trace, byte for byte', async () => {
    const first = await traceOf(7, 'a.ndjson')
    expect(await traceOf(7, 'b.ndjson')).toBe(first)
    expect(await traceOf(8, 'c.ndjson')).not.toBe(first)
  })
})

describe('files that are written', () => {
  it('do not replace others, which is said before the run', async () => {
    const path = written('precious', 'mine')
    for (const words of [
      ['--trace', path],
      ['--set', `workload.destination=${path}`],
    ]) {
      const { stdout, stderr, exitCode } = await simulate(words)
      expect([stdout, exitCode]).toEqual(['', 2])
      expect(stderr).toContain(`${path}: the file exists; next: choose another name, or add --force`)
    }
    expect(readFileSync(path, 'utf8')).toBe('mine')
    expect((await simulate(['--trace', path, '--force'])).exitCode).toBe(0)
    expect(readFileSync(path, 'utf8')).toContain('"format":"iopf-trace"')
  })

  it('are never the source', async () => {
    const path = written('both', 'mine')
    const words = ['--set', `workload.source=${path}`, '--set', `workload.destination=${path}`, '--force']
    const { stderr, exitCode } = await simulate(words)
    expect(exitCode).toBe(3)
    expect(stderr).toContain('workload.destination: got')
    expect(stderr).toContain('expected another file than workload.source')
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })
})

describe('an interrupt', () => {
  const BIG = ['--set', 'workload.source={ pattern: 8GiB }']

  it('stops the run, flushes, sums up and ends with 130', async () => {
    const trace = join(folder, 'interrupted.ndjson')
    const finished = await simulate([...BIG, '--json', '--trace', trace], interrupt([1_500]))
    expect(finished.exitCode, finished.stderr).toBe(130)
    expect(parse(finished)).toMatchObject({
      stopped: true,
      ok: false,
      digests: { source: null, destination: null },
    })
    expect(finished.stderr).toContain('stopping; a second interrupt ends at once')
    expect(statSync(trace).size).toBeGreaterThan(1_000)
  })

  it('shows a partial summary with the seed in its last line', async () => {
    const finished = await simulate(BIG, interrupt([1_000]))
    expect(finished.exitCode).toBe(130)
    expect(finished.stdout).toContain('Stopped before the end')
    expect(finished.stdout.trimEnd().split('\n').at(-1)).toMatch(/^reproduce: .* --seed 1$/)
  })

  it('that comes twice ends at once and leaves nothing behind', async () => {
    const copy = join(folder, 'never')
    const words = [...BIG, '--set', `workload.destination=${copy}`]
    const finished = await simulate(words, interrupt([1_000, 1_005]))
    expect(finished.exitCode).toBe(130)
    expect(existsSync(copy)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.includes('.iopf-'))).toEqual([])
  })
})

describe('a broken invariant', () => {
  it.each([
    ['in a promise', 'performance.now=()=>{throw new Error("boom")}'],
    ['outside', 'setTimeout(()=>{throw new Error("boom")},300)'],
  ])('%s ends with 70 and the line that reproduces it', async (_where, code) => {
    const words = ['--set', 'workload.source={ pattern: 64MiB }']
    const hook = `data:text/javascript,${encodeURIComponent(code)}`
    const { exitCode, stderr } = await simulate(words, { env: { NODE_OPTIONS: `--import=${hook}` } })
    expect(exitCode).toBe(70)
    expect(stderr).toContain('Error: boom')
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      `reproduce: iopf simulate ${EXAMPLE} --set 'workload.source={ pattern: 64MiB }' --seed 1`,
    )
  })
})
