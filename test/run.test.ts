// SPDX-License-Identifier: MIT
/** Unmodified programs under `iopf run`: compiled here where there is a C compiler. Expectations cite `spec/02`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, iopf, MAIN, ROOT } from '../src/cli/child.suite.ts'

const SOURCES = join(ROOT, 'test/run')

function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'not Linux on x86-64'
  const probe = spawnSync(process.execPath, [MAIN, 'run', '--', 'true'], { encoding: 'utf8' })
  return probe.status === 0 ? undefined : probe.stderr.trim()
}

const reason = whyNot()
const hasCompiler = spawnSync('cc', ['--version']).status === 0
const hasPython = spawnSync('python3', ['--version']).status === 0
if (reason !== undefined) process.stderr.write(`iopf run is not tested: ${reason}\n`)
if (!hasCompiler) process.stderr.write('C programs under iopf run are not tested: no cc\n')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-programs-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function compiled(name: string, ...flags: string[]): string {
  return compiledFrom(join(SOURCES, `${name}.c`), ...flags)
}

function compiledFrom(source: string, ...flags: string[]): string {
  const program = join(folder, basename(source, '.c') + flags.join(''))
  execFileSync('cc', ['-O1', '-w', '-pthread', ...flags, '-o', program, source])
  return program
}

function run(...words: string[]): Promise<Finished> {
  return iopf(['run', ...words])
}

function lines({ stdout, stderr }: Finished): string[] {
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}

describe.skipIf(reason !== undefined)('iopf run', () => {
  it('leaves a program alone that does not touch the device', async () => {
    const { stdout, stderr, exitCode } = await run('--', 'sh', '-c', 'echo out; echo err >&2; exit 3')
    expect([stdout, stderr, exitCode]).toEqual(['out\n', 'err\n', 3])
  })

  it.each(['SIGTERM', 'SIGKILL', 'SIGUSR1', 'SIGABRT'])('ends by %s as the program does', async (signal) => {
    const end = await run('--', 'sh', '-c', `kill -${signal.slice(3)} $$`)
    expect([end.exitCode, end.signal]).toEqual([null, signal])
  })

  it('passes a signal on to the program', async () => {
    const script = 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.05; done'
    const end = await iopf(['run', '--', 'sh', '-c', script], {
      onStart: (child) => child.stdout?.once('data', () => child.kill('SIGTERM')),
    })
    expect([end.stdout, end.exitCode]).toEqual(['ready\ncaught\n', 9])
  })

  it.each([
    ['/no/such/program', 127],
    ['/etc/passwd', 126],
  ])('says that %s cannot be started', async (program, code) => {
    const { stderr, exitCode } = await run('--', program)
    expect(stderr).toContain('the program cannot be started')
    expect(exitCode).toBe(code)
  })

  it('says what this host lacks: notifications that somebody else takes', async () => {
    const { stderr, exitCode } = await run('--', process.execPath, MAIN, 'run', '--', 'true')
    expect(stderr).toContain(
      'iopf: this host cannot run programs under iopf: seccomp user notifications are taken',
    )
    expect(stderr).toContain('next: iopf doctor')
    expect(exitCode).toBe(4)
  })

  it('says what this host lacks: koffi', () => {
    const copy = join(folder, 'without-koffi')
    cpSync(join(ROOT, 'dist'), join(copy, 'dist'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'))
    cpSync(join(ROOT, 'node_modules/commander'), join(copy, 'node_modules/commander'), { recursive: true })
    const words = [join(copy, 'dist/cli/main.js'), 'run', '--', 'true']
    const { stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    expect(stderr).toContain('the optional package koffi cannot be loaded')
    expect(status).toBe(4)
  })

  it('waits for what the program leaves behind', async () => {
    const { stdout } = await run('--', 'sh', '-c', '(sleep 0.3; test -c /dev/iommu && echo still there) &')
    expect(stdout).toBe('still there\n')
  })

  it('shows the device to a shell', async () => {
    const { stdout, stderr } = await run(
      '--',
      'sh',
      '-c',
      'cd /dev; ls -l iommu; readlink iommu || echo no link',
    )
    expect(stdout).toMatch(/^crw-rw-rw- 1 root root 10, 125 .* iommu\nno link\n$/)
    expect(stderr).toBe('')
  })

  it('runs Node', async () => {
    const script =
      "const fs = require('fs'); console.log(fs.openSync('/dev/iommu', 'r+') > 2, fs.statSync('/dev/iommu').isCharacterDevice())"
    const words = ['env', '-u', 'NO_COLOR', '-u', 'FORCE_COLOR', process.execPath, '-e', script]
    expect(lines(await run('--', ...words))).toEqual(['true true'])
  })

  it('lists the devices', async () => {
    const end = await run(
      '--',
      'sh',
      '-c',
      'find /dev/vfio; stat -c %F /dev/vfio/devices /dev/vfio/devices/vfio1',
    )
    expect(lines(end).toSorted()).toEqual([
      '/dev/vfio',
      '/dev/vfio/devices',
      '/dev/vfio/devices/vfio0',
      '/dev/vfio/devices/vfio1',
      '/dev/vfio/vfio',
      'character special file',
      'directory',
    ])
  })

  it.skipIf(!hasPython)('runs the pager in Python', async () => {
    expect(lines(await run('--', 'python3', join(ROOT, 'examples/edu-pager.py')))).toEqual(PAGER)
  })

  it.skipIf(!hasPython)('runs Python', async () => {
    expect(lines(await run('--', 'python3', join(SOURCES, 'touch.py')))).toEqual([
      'unmapped 8192',
      'No such file or directory',
    ])
  })
})

describe('iopf run', () => {
  it.each([
    [['--seed', '7'], '--seed: nothing is drawn'],
    [['--mock', '--machine', 'x'], '--mock: --machine has a machine already'],
    [['--machine', '/no/such/file'], 'no such file'],
    [['--trace', '/no/such/folder/trace'], 'no such file'],
  ])('refuses %j', async (options, message) => {
    const { stderr, exitCode } = await run(...options, '--', 'true')
    expect(stderr).toContain(message)
    expect([2, 3, 4]).toContain(exitCode)
  })

  it('wants a program', async () => {
    const { stderr, exitCode } = await run('--mock')
    expect(stderr).toContain('usage: iopf run [options] -- <program...>')
    expect(exitCode).toBe(2)
  })
})

describe.skipIf(reason !== undefined || !hasCompiler)('a C program under iopf run', () => {
  it.each([[], ['-static']])('opens the device in every spelling %j', async (...flags) => {
    expect(lines(await run('--', compiled('open', ...flags)))).toEqual([
      ...['absolute', 'dots', 'slashes', 'folder', 'openat2', 'open(2)', 'creat', 'vfio', 'relative'].map(
        ours,
      ),
      ...['link to a link', 'linked folder'].map(ours),
      'link not followed ELOOP',
      ours('through /proc'),
      'text of the descriptor /dev/iommu',
      'exclusive EEXIST',
      'as a folder ENOTDIR',
      'something else ENOENT',
      'a folder that is not there ENOENT',
      'close-on-exec 1',
      'close-on-exec without 0',
      'bad path EFAULT',
      'stat 0',
      'character device 1, number 10',
      'lstat 0',
      'fstatat 0',
      'statx 0',
      'character device 1, number 10',
      'access 0',
      'access to execute EACCES',
      'readlink EINVAL',
      'stat into nothing EFAULT',
    ])
  })

  it('gets the errors of the kernel (§2, §6.3)', async () => {
    const end = await run('--', compiled('calls'))
    expect(lines(end)).toEqual([
      'bad pointer EFAULT',
      'pointer of the kernel EFAULT',
      'struct over the end EFAULT',
      'size 0 EINVAL',
      'no such number ENOTTY',
      'another type ENOTTY',
      'on another file ENOTTY',
      'on no file EBADF',
      'close-on-exec 1',
      'read nothing 0',
      'read 0 0',
      'read 41 ESPIPE',
      'pread ESPIPE',
      'lseek ESPIPE',
      'write 0 0',
      'write 9 ESPIPE',
      'write an unknown cookie EINVAL',
      'write from nothing EFAULT',
      'readv nothing 0',
      'readv of too many EINVAL',
      'readv from nothing EFAULT',
      'ioctl ENOTTY',
      'FIONREAD ENOTTY',
      'mmap ENODEV',
      'poll 1',
      'events 0x4',
      'read 41 of a copy ESPIPE',
      'destroy EBUSY',
      'destroy with a copy open EBUSY',
      'destroy with none open 0',
    ])
    expect(end.exitCode).toBe(7)
  })

  it('shares contexts between processes (§1)', async () => {
    expect(lines(await run('--', compiled('processes')))).toEqual([
      'parent allocates 1',
      'child allocates 2',
      "child's own context allocates 1",
      'after exec, the child allocates 3',
      'child ended with 5',
      'what was sent allocates 2',
      'parent allocates 4',
      'the copy allocates 5',
      'closed EBADF',
      'after vfork 4',
    ])
  })

  it('pages for a device', async () => {
    expect(lines(await run('--', compiledFrom(join(ROOT, 'examples/edu-pager.c'))))).toEqual(PAGER)
  })

  it('hears what it does wrong, and fails for it when it is asked to be strict', async () => {
    const { stderr, exitCode } = await run('--mock', '--strict', '--', compiled('careless'))
    const rules = stderr.trim().split('\n')
    expect(rules.map((line) => line.split(': ')[1])).toEqual([
      'short-buffer',
      'refused-code',
      'unknown-cookie',
      'answered-twice',
      'answered-for-it',
      'answered-for-it',
      'answered-for-it',
      'unanswered',
      'zero-for-end',
    ])
    expect(rules[3]).toMatch(/cookie 1 was answered already.*\(process \d+, descriptor 960\)/)
    expect(rules[4]).toContain(
      'group 3 (cookie 2) was read and not answered when its page table was detached',
    )
    expect(exitCode).toBe(1)
  })

  it('is told how its faults went, and keeps them, also with other delays', async () => {
    const trace = join(folder, 'trace.ndjson')
    const options = ['--summary', '--strict', '--perturb', '--seed', '7', '--trace', trace]
    const { stdout, stderr, exitCode } = await run(
      ...options,
      '--',
      compiledFrom(join(ROOT, 'examples/edu-pager.c')),
    )
    expect([stdout.trim().split('\n'), exitCode]).toEqual([PAGER, 0])
    expect(stderr).toContain('answers of the program: 2 SUCCESS; of the kernel: 0')
    expect(stderr).toContain('page request groups: 2 answered, 0 not')
    expect(stderr).toContain('every rule of fault handling was kept')
    expect(stderr).toContain('left-open: [iommufd-pgfault] was left open')
    const summary = await iopf(['trace', 'summary', trace])
    expect(summary.stdout).toContain('2 page request groups answered, 0 not')
    expect(summary.stdout).toContain('seed 7')
  })

  it('runs on the machine of a document', async () => {
    const words = ['find', '/dev/vfio/devices', '-name', 'vfio*']
    const file = join(ROOT, 'examples/two-devices-three-pasids.yaml')
    expect(lines(await run('--machine', file, '--', ...words)).toSorted()).toEqual([
      '/dev/vfio/devices/vfio0',
      '/dev/vfio/devices/vfio1',
    ])
  })

  it('can end when whoever serves it was killed', async () => {
    const { stdout, signal } = await run('--', compiled('orphan'))
    expect([stdout, signal]).toEqual(['afterwards ENOSYS\n', 'SIGKILL'])
  })

  it('may be hostile', async () => {
    expect(lines(await run('--', compiled('hostile')))).toEqual(['3000 contexts more', 'still served'])
  })

  it('may have threads', async () => {
    expect(lines(await run('--', compiled('threads')))).toEqual(['8000 calls, 0 failed, next id 1'])
  })

  it('handles page faults: the worked traces of §6.7, and every way to wait', async () => {
    expect(lines(await run('--mock', '--', compiled('faults')))).toEqual([
      'mock device 0',
      'page table 0',
      'attach 0',
      '1 0',
      '2 0x45',
      '10 read 0 EINVAL',
      '12 read to nowhere EFAULT',
      '3 40: flags 2 pasid 0 group 2 cookie 1 address 0x2000 device ours',
      '  0x4',
      '4 80: cookies 2 3',
      '5 8',
      '  again EINVAL',
      '6 40: cookie 1',
      '7 EINVAL',
      '  code 1 8',
      'edges: 0 1 0 1',
      'select 1',
      'readv 80: cookies 2 4',
      'select 0',
      'edge 0',
      'poll wakes 1',
      'read through a copy elsewhere 40',
      'destroy a queue in use EBUSY',
    ])
  })
})

const PAGER = [
  'page 0x100000 is missing: mapped',
  'page 0x101000 is missing: mapped',
  'the device has read "over the edge of a page"',
]

function ours(name: string): string {
  return `${name} a context of its own`
}
