// SPDX-License-Identifier: MIT
/** The kernel's test program under `iopf run`. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** User and group that nobody is: what they may, everybody may. */
const NOBODY = 65534
const SECONDS_MAX = 170

export type Who = 'root' | 'an ordinary user'

export interface SelftestRun {
  readonly output: string
  readonly complaints: string
  readonly exitCode: number | null
  readonly seconds: number
}

export class SelftestProgram {
  readonly #main: string
  readonly #folder: string
  readonly #program: string

  /** `main`: the built command. The program is copied to where everybody may read it. */
  constructor(main: string, program: string) {
    this.#main = main
    this.#folder = mkdtempSync(join(tmpdir(), 'iopf-selftest-'))
    this.#program = join(this.#folder, 'iommufd')
    chmodSync(this.#folder, 0o755)
    copyFileSync(program, this.#program)
    chmodSync(this.#program, 0o755)
  }

  /** Whether `who` may use the built command. */
  canRunAs(who: Who): boolean {
    const words = [this.#main, 'doctor', '--json']
    const { stdout } = spawnSync(process.execPath, words, { cwd: this.#folder, ...identity(who) })
    return String(stdout).startsWith('{')
  }

  run(who: Who): Promise<SelftestRun> {
    const start = performance.now()
    const words = [this.#main, 'run', '--mock', '--', this.#program]
    const child = spawn(process.execPath, words, {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...identity(who),
    })
    let output = ''
    let complaints = ''
    child.stdout.on('data', (text) => (output += String(text)))
    child.stderr.on('data', (text) => (complaints += String(text)))
    const timer = setTimeout(() => endGroup(child.pid), SECONDS_MAX * 1000)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exitCode) => {
        clearTimeout(timer)
        resolve({ output, complaints, exitCode, seconds: (performance.now() - start) / 1000 })
      })
    })
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Root may be anybody; everybody else is who he is. */
function identity(who: Who): { uid?: number; gid?: number } {
  return who === 'an ordinary user' && process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
