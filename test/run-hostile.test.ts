// SPDX-License-Identifier: MIT
/**
 * Hostile and unlucky programs under `iopf run`: whatever they do, their calls return, others are served, and nothing is
 * left. Compiled here where there is a C compiler.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ChildOptions, type Finished, iopf, MAIN, ROOT } from '../src/cli/child.suite.ts'

const SOURCES = join(ROOT, 'test/run-hostile')
const SECONDS_MAX = 50

function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'not Linux on x86-64'
  const probe = spawnSync(process.execPath, [MAIN, 'run', '--', 'true'], { encoding: 'utf8' })
  return probe.status === 0 ? undefined : probe.stderr.trim()
}

const reason = whyNot()
const hasCompiler = spawnSync('cc', ['--version']).status === 0
if (reason !== undefined) process.stderr.write(`hostile programs are not run: ${reason}\n`)
if (!hasCompiler) process.stderr.write('hostile programs are not run: no cc\n')

let folder = ''
let temporary = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-hostile-'))
  temporary = join(folder, 'tmp')
  mkdirSync(temporary)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function compiled(name: string): string {
  const program = join(folder, name)
  execFileSync('cc', ['-O1', '-w', '-pthread', '-o', program, join(SOURCES, `${name}.c`)])
  return program
}

/** Ended after a while, whatever happens. */
async function run(words: readonly string[], options: ChildOptions = {}): Promise<Finished> {
  let timer: NodeJS.Timeout | undefined
  const end = await iopf(['run', '--mock', '--', ...words], {
    env: { TMPDIR: temporary },
    ...options,
    onStart: (child) => {
      timer = setTimeout(() => child.kill('SIGKILL'), SECONDS_MAX * 1000)
      options.onStart?.(child)
    },
  })
  clearTimeout(timer)
  return end
}

/** Processes that run a program of these tests. */
function programsLeft(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => programOf(name))
    .filter((path) => path.startsWith(folder))
}

function programOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return ''
  }
}

describe.skipIf(reason !== undefined || !hasCompiler)('a hostile program under iopf run', () => {
  afterEach(async () => {
    for (let turn = 0; programsLeft().length > 0 && turn < 20; turn++) await sleep(100)
    expect(programsLeft()).toEqual([])
    expect(readdirSync(temporary)).toEqual([])
  })

  it.each<[what: string, program: string, lines: readonly string[]]>([
    [
      'points into nothing, everywhere',
      'pointers',
      ['all refused', 'the fault is still there 40', 'a good mapping 0'],
    ],
    [
      'unmaps and changes the memory of calls that are being served',
      'races',
      ['unmapped: 0 odd, all returned', 'changed: 0 odd, all returned', 'a new context allocates 1'],
    ],
    [
      'plays with descriptors',
      'descriptors',
      [
        'swapped under a call: 0 odd',
        'queues enough, then enough',
        'and again as many',
        'read of a file 400',
        'write to a pipe 8',
        'duplicate 1',
        'a queue elsewhere or none: 1',
        'room 0',
        'the context over a queue 0',
        'works there 0',
        'destroy the queue 0',
        'out of a socket 1',
        'on a number that never was EBADF',
        'on a large one EBADF',
        'still there 1',
      ],
    ],
    [
      'has children that are killed in every state',
      'killed',
      ['ioctl', 'poll', 'read', 'open', 'threads', 'grandchild', 'exec', 'mapped', 'stopped'].map(
        (state) => `${state}: a new context allocates 1`,
      ),
    ],
    [
      'makes 4 × 2000 calls in threads under signals',
      'signals',
      ['0 failed, 0 ids twice, signals many', 'next 8001'],
    ],
    ['sends signals to every thread that serves it', 'rain', ['0 went wrong']],
    ['opens and closes for long', 'leaks', ['descriptors as before', 'memory as before']],
    ['hides its memory for a while', 'hidden', ['all or nothing', 'the rest works', 'looked into again: 1']],
  ])('that %s', async (_what, name, lines) => {
    const { stdout, stderr, exitCode } = await run([compiled(name)])
    expect([stdout.trim().split('\n'), stderr, exitCode]).toEqual([lines, '', 0])
  })

  it.each([[[]], [['leave']]])('that makes 10 000 objects and 800 contexts %j', async (words) => {
    const { stdout, stderr } = await run([compiled('many'), ...words])
    expect([stdout, stderr]).toEqual([
      '10000 objects, 0 failed\ncontexts enough, then EMFILE\n0 failed\n',
      '',
    ])
  })

  it('that resolves the faults of its memory itself, late or never', async () => {
    const { stdout, exitCode } = await run([compiled('userfault')])
    const served = [
      'a struct that comes late 0',
      'memory that comes late 0',
      'the child ended by 9',
      'others go on 1',
    ]
    expect(['no userfaultfd here\n', `${served.join('\n')}\n`]).toContain(stdout)
    expect(exitCode).toBe(0)
  })

  it('that kills iopf: its calls fail, it goes on and ends', async () => {
    const { stdout, signal } = await run([compiled('parent')])
    const lines = ['ioctl', 'open', 'read of a queue'].map((call) => `${call} ENOSYS`)
    expect(stdout.trim().split('\n')).toEqual([...lines, 'poll returns 1', 'a child ends with 7'])
    expect(signal).toBe('SIGKILL')
  })

  it('that goes on as a daemon, through 50 execs, after its parent ended', async () => {
    const { stdout, exitCode } = await run([compiled('daemon')])
    expect(stdout).toBe('the parent allocates 1\nafter all execs, the daemon allocates 52\n')
    expect(exitCode).toBe(3)
  })

  it('that stops iopf for a while', async () => {
    const script = 'echo stops; kill -STOP $PPID; test -c /dev/iommu && echo served'
    const { stdout } = await run(['sh', '-c', script], {
      onStart: (child) => {
        const timer = setInterval(() => child.kill('SIGCONT'), 500)
        child.once('close', () => clearInterval(timer))
      },
    })
    expect(stdout).toBe('stops\nserved\n')
  })

  it('that ends while it calls: iopf that is told to end passes it on', async () => {
    const end = await run(['sh', '-c', 'echo ready; while :; do test -c /dev/iommu; done'], {
      onStart: (child) => child.stdout?.once('data', () => child.kill('SIGTERM')),
    })
    expect([end.stdout, end.signal]).toEqual(['ready\n', 'SIGTERM'])
  })
})

describe.skipIf(reason !== undefined)('a program under iopf run that never touches the device', () => {
  it.each([0, 1, 42, 128, 255])('exits with %i', async (code) => {
    expect((await run(['sh', '-c', `exit ${code}`])).exitCode).toBe(code)
  })

  it.each(['SIGSEGV', 'SIGPIPE', 'SIGALRM', 'SIGXCPU'])('dies by %s', async (signal) => {
    const { exitCode, signal: by } = await run(['sh', '-c', `ulimit -c 0; kill -${signal.slice(3)} $$`])
    expect([exitCode, by]).toEqual([null, signal])
  })

  it('gets its words, environment and folder as they are', async () => {
    const words = ['', ' two  words ', '--mock', '--', '$HOME', 'ü\n']
    const script = 'printf "[%s]" "$@" "$VALUE" "$PWD"'
    const { stdout } = await run(['sh', '-c', script, 'sh', ...words], {
      cwd: folder,
      env: { VALUE: 'a=b', TMPDIR: temporary },
    })
    expect(stdout).toBe([...words, 'a=b', folder].map((word) => `[${word}]`).join(''))
  })

  it('may be without standard descriptors', async () => {
    const { stdout, exitCode } = await run(['sh', '-c', 'exec 2>&- 0<&-; echo still here; exec >&-; exit 6'])
    expect([stdout, exitCode]).toEqual(['still here\n', 6])
  })
})
