// SPDX-License-Identifier: MIT
/** The reference kernel under QEMU with the replayer in it: programs in, results out, as long as it lives. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { decodeResult, encodeProgram } from '../program/binary.ts'
import type { Program, ProgramResult } from '../program/program.ts'
import { encodeCpio } from './cpio.ts'

export interface GuestOptions {
  readonly qemu: string
  readonly vmlinux: string
  /** Static binaries of `init.c` and `replay.c`. */
  readonly init: string
  readonly replay: string
  /** Pages of 2 MiB to reserve. */
  readonly hugePages: number
}

export interface CoverageFile {
  /** As under debugfs `gcov/`. */
  readonly path: string
  readonly bytes: Uint8Array
}

interface Message {
  readonly type: string
  readonly payload: Buffer
}

const SECONDS_SILENT_MAX = 45

/** The guest died, or said nothing for too long. */
export class GuestError extends Error {}

export class Guest {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #folder: string
  readonly #messages: Message[] = []
  #pending: Buffer[] = []
  #pendingBytes = 0
  #wake: (() => void) | undefined
  #gone: string | undefined

  constructor(options: GuestOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), 'iopf-guest-'))
    writeFileSync(join(this.#folder, 'initrd'), initialFiles(options))
    closeSync(openSync(this.#console, 'w'))
    this.#process = spawn(options.qemu, this.#arguments(options), { stdio: ['pipe', 'pipe', 'pipe'] })
    let complaints = ''
    this.#process.stderr.on('data', (text) => (complaints += String(text)))
    this.#process.stdin.on('error', () => {})
    this.#process.stdout.on('data', (bytes: Buffer) => this.#take(bytes))
    this.#process.on('error', (error) => this.#end(error.message))
    this.#process.on('close', (code) => this.#end(`QEMU ended with ${code} ${complaints.trim()}`))
  }

  /** uname -r. */
  async kernelName(): Promise<string> {
    this.#send('U', new Uint8Array())
    return (await this.#next()).payload.toString()
  }

  /** Results in the order of the programs. */
  async run(programs: readonly Program[], onResult?: () => void): Promise<ProgramResult[]> {
    const results: ProgramResult[] = []
    let sent = 0
    const inFlightMax = 256
    while (results.length < programs.length) {
      while (sent < programs.length && sent - results.length < inFlightMax) {
        const program = programs[sent++]
        if (program !== undefined) this.#send('P', encodeProgram(program))
      }
      results.push(decodeResult((await this.#next()).payload))
      onResult?.()
    }
    return results
  }

  /** What gcov has counted since the start. */
  async coverage(): Promise<CoverageFile[]> {
    this.#send('G', new Uint8Array())
    const files: CoverageFile[] = []
    for (let message = await this.#next(); message.type === 'F'; message = await this.#next()) {
      const end = message.payload.indexOf(0)
      files.push({ path: message.payload.toString('utf8', 0, end), bytes: message.payload.subarray(end + 1) })
    }
    return files
  }

  /** What the kernel said so far. */
  kernelLog(): string {
    return readFileSync(this.#console, 'utf8').replaceAll('\r', '')
  }

  async close(): Promise<void> {
    if (this.#gone === undefined) {
      this.#send('Q', new Uint8Array())
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
        this.#process.on('close', () => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #console(): string {
    return join(this.#folder, 'console')
  }

  #arguments({ vmlinux, hugePages }: GuestOptions): string[] {
    const memory = hugePages > 0 ? 1024 + 2 * hugePages : 768
    const append = `console=ttyS0 loglevel=5 panic=-1 nokaslr norandmaps mitigations=off no_timer_check tsc=reliable random.trust_cpu=on hugepages=${hugePages}`
    const initrd = join(this.#folder, 'initrd')
    const machine = `-M q35 -accel tcg -cpu max,la57=off -m ${memory}M -smp 1 -display none -no-reboot -nodefaults`
    const port =
      '-device virtio-serial-pci -chardev stdio,id=port,signal=off -device virtserialport,chardev=port'
    const files = ['-kernel', vmlinux, '-initrd', initrd, '-append', append]
    const console = ['-chardev', `file,id=console,path=${this.#console}`, '-serial', 'chardev:console']
    return [...machine.split(' '), ...port.split(' '), ...files, ...console]
  }

  #send(type: string, payload: Uint8Array): void {
    const head = Buffer.alloc(8)
    head.writeUInt32LE(type.charCodeAt(0), 0)
    head.writeUInt32LE(payload.length, 4)
    this.#process.stdin.write(head)
    if (payload.length > 0) this.#process.stdin.write(payload)
  }

  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      if (this.#gone !== undefined) throw new GuestError(`${this.#gone}\n${this.kernelLog().slice(-4000)}`)
      await this.#wait()
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#process.kill('SIGKILL')
        this.#gone ??= `the guest said nothing for ${SECONDS_SILENT_MAX} s`
        resolve()
      }, SECONDS_SILENT_MAX * 1000)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #end(why: string): void {
    this.#gone ??= why
    this.#wake?.()
  }

  #take(bytes: Buffer): void {
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    if (this.#pendingBytes < 8) return
    let all = this.#pending.length === 1 ? bytes : Buffer.concat(this.#pending)
    let at = 0
    while (all.length - at >= 8 && all.length - at >= 8 + all.readUInt32LE(at + 4)) {
      const length = all.readUInt32LE(at + 4)
      const type = String.fromCharCode(all.readUInt32LE(at))
      this.#messages.push({ type, payload: all.subarray(at + 8, at + 8 + length) })
      at += 8 + length
    }
    all = all.subarray(at)
    this.#pending = all.length > 0 ? [all] : []
    this.#pendingBytes = all.length
    this.#wake?.()
  }
}

const DIRECTORY = 0o040755
const PROGRAM = 0o100755
const CHARACTERS = 0o020600

function initialFiles({ init, replay }: GuestOptions): Buffer {
  return encodeCpio([
    { path: 'dev', mode: DIRECTORY },
    { path: 'dev/console', mode: CHARACTERS, device: [5, 1] },
    { path: 'init', mode: PROGRAM, bytes: readFileSync(init) },
    { path: 'replay', mode: PROGRAM, bytes: readFileSync(replay) },
  ])
}
