// SPDX-License-Identifier: MIT
/** A running `replay.c`, wherever it runs: programs in, results out, as long as it lives. */
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { decodeResult, encodeProgram } from '../program/binary.ts'
import type { Program, ProgramResult } from '../program/program.ts'

export type ReplayerProcess = ChildProcessByStdio<Writable, Readable, Readable>

export interface Message {
  readonly type: string
  readonly payload: Buffer
}

const SECONDS_SILENT_MAX = 45
const MILLIS_TO_END = 5000
const HEAD_BYTES = 8
/** Programs that are on their way at one time. */
const IN_FLIGHT_MAX = 256

/** The replayer, or the guest around it, died, or said nothing for too long. */
export class GuestError extends Error {}

export class Replayer {
  readonly #name: string
  readonly #process: ReplayerProcess
  readonly #messages: Message[] = []
  #complaints = ''
  #pending: Buffer[] = []
  #pendingBytes = 0
  #wake: (() => void) | undefined
  #gone: string | undefined

  /** `name`: of what it runs in, for messages. */
  constructor(name: string, process: ReplayerProcess) {
    this.#name = name
    this.#process = process
    process.stderr.on('data', (text) => (this.#complaints += String(text)))
    process.stdin.on('error', () => {})
    process.stdout.on('data', (bytes: Buffer) => this.#take(bytes))
    process.on('error', (error) => this.#end(error.message))
    process.on('close', (code) => this.#end(`${name} ended with ${code} ${this.#complaints.trim()}`))
  }

  /** What it says beside its answers. */
  log(): string {
    return ''
  }

  /** uname -r. */
  async kernelName(): Promise<string> {
    this.send('U', new Uint8Array())
    return (await this.next()).payload.toString()
  }

  /** Results in the order of the programs. */
  async run(programs: readonly Program[], onResult?: () => void): Promise<ProgramResult[]> {
    const results: ProgramResult[] = []
    let sent = 0
    while (results.length < programs.length) {
      while (sent < programs.length && sent - results.length < IN_FLIGHT_MAX) {
        const program = programs[sent++]
        if (program !== undefined) this.send('P', encodeProgram(program))
      }
      results.push(decodeResult((await this.next()).payload))
      onResult?.()
    }
    return results
  }

  async close(): Promise<void> {
    if (this.#gone !== undefined) return
    this.send('Q', new Uint8Array())
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.kill(this.#process), MILLIS_TO_END)
      this.#process.on('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  protected kill(process: ReplayerProcess): void {
    process.kill('SIGKILL')
  }

  protected send(type: string, payload: Uint8Array): void {
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32LE(type.charCodeAt(0), 0)
    head.writeUInt32LE(payload.length, 4)
    this.#process.stdin.write(head)
    if (payload.length > 0) this.#process.stdin.write(payload)
  }

  /** Throws `GuestError`. */
  protected async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      if (this.#gone !== undefined) throw new GuestError(`${this.#gone}\n${this.log().slice(-4000)}`)
      await this.#wait()
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.kill(this.#process)
        this.#gone ??= `${this.#name} said nothing for ${SECONDS_SILENT_MAX} s`
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
    if (this.#pendingBytes < HEAD_BYTES) return
    let all = this.#pending.length === 1 ? bytes : Buffer.concat(this.#pending)
    let at = 0
    while (all.length - at >= HEAD_BYTES && all.length - at >= HEAD_BYTES + all.readUInt32LE(at + 4)) {
      const length = all.readUInt32LE(at + 4)
      const type = String.fromCharCode(all.readUInt32LE(at))
      this.#messages.push({ type, payload: all.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length) })
      at += HEAD_BYTES + length
    }
    all = all.subarray(at)
    this.#pending = all.length > 0 ? [all] : []
    this.#pendingBytes = all.length
    this.#wake?.()
  }
}
