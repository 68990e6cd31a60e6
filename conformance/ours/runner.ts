// SPDX-License-Identifier: MIT
/** A program on our byte door, exactly as `kernel/replay.c` runs it on the real kernel. */
import { isErrno } from '../../src/base/errno.ts'
import type { Process } from '../../src/iommufd/process.ts'
import type { Machine } from '../../src/machine/machine.ts'
import { type Earlier, patched } from '../program/contents.ts'
import {
  type Answer,
  changedRuns,
  FAIL_ALL,
  OPERATION,
  type Operation,
  type Program,
  type ProgramBuffer,
  type ProgramResult,
  type Run,
} from '../program/program.ts'
import { Arguments, CALLS } from './calls.ts'
import { holdingsOf, leftBehind } from './leftovers.ts'
import { firstProcess } from './machine.ts'
import { mapsContextFile } from './own-files.ts'

/** The fork that would have made the process failed. */
const ESRCH = -3n
const EFAULT = -14n
const PAGE = 4096n

export interface OurResult extends ProgramResult {
  /** What the machine and the ended processes still hold; empty unless something leaked. */
  readonly left: readonly string[]
}

/** Called around each system call: what the process does itself between them does not count. */
export interface CallHooks {
  readonly before: (operation: number) => void
  readonly after: () => void
}

/** Runs a program in fresh processes; they have ended when it returns. */
export function runProgram(machine: Machine, program: Program, hooks?: CallHooks): OurResult {
  const before = holdingsOf(machine)
  const run = new ProgramRun(machine, hooks)
  const result = run.run(program)
  const isOver = result.ended === undefined && !run.mapsContextFile
  const left = isOver ? leftBehind(machine, before, run.processes) : []
  return { ...result, left }
}

class ProgramRun {
  readonly #machine: Machine
  readonly #roles: (Process | undefined)[]
  /** All that there were. */
  readonly processes: Process[] = []
  mapsContextFile = false
  readonly #answers: Answer[] = []
  readonly #after: Uint8Array[][] = []
  readonly #earlier: Earlier = {
    returned: (operation) => this.#answers[operation]?.returned ?? 0n,
    bytes: (operation, buffer) => this.#after[operation]?.[buffer] ?? new Uint8Array(),
  }
  /** Descriptors on their way from one process to another. */
  readonly #sent: { readonly from: Process; readonly fd: number }[] = []

  readonly #hooks: CallHooks | undefined

  constructor(machine: Machine, hooks?: CallHooks) {
    this.#machine = machine
    this.#hooks = hooks
    const first = firstProcess(machine)
    this.#roles = [first]
    this.processes.push(first)
  }

  run({ operations }: Program): ProgramResult {
    for (const operation of operations) {
      const why = this.#step(operation)
      if (why !== undefined) {
        return { answers: this.#answers, ended: { why, operation: this.#answers.length } }
      }
    }
    for (const process of this.#roles) process?.exit()
    return { answers: this.#answers, ended: undefined }
  }

  /** Why the program ends here, if it does. */
  #step(operation: Operation): string | undefined {
    const process = this.#roles[operation.role]
    if (process === undefined)
      return this.#answer(
        ESRCH,
        operation.buffers.map(() => []),
        [],
      )
    const ready = patched(operation, this.#earlier)
    try {
      this.#execute(process, operation, ready.arguments, ready.buffers)
      return undefined
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
  }

  #execute(
    process: Process,
    operation: Operation,
    args: readonly bigint[],
    before: readonly Uint8Array[],
  ): void {
    const { code, buffers } = operation
    if (code !== OPERATION.peek) {
      const stored = buffers.map((buffer, index) => store(process, buffer, before[index]))
      const whole = stored.every(Boolean)
      if (code === OPERATION.poke) return this.#answer(whole ? 0n : EFAULT, [], [])
    }
    if (code === OPERATION.ioctl) this.mapsContextFile ||= mapsContextFile(process, args, before[0])
    const returned = code === OPERATION.peek ? 0n : this.#call(process, operation, args)
    const ended = code === OPERATION.exit
    const loaded = ended ? [] : buffers.map((buffer, index) => load(process, buffer, before[index]))
    const after = loaded.map(({ bytes }) => bytes)
    const isWhole = loaded.every(({ whole }) => whole)
    const changed = after.map((bytes, index) => changedRuns(before[index] ?? bytes, bytes))
    this.#answer(code === OPERATION.peek && !isWhole ? EFAULT : returned, changed, after)
  }

  #answer(returned: bigint, changed: readonly (readonly Run[])[], after: Uint8Array[]): undefined {
    this.#answers.push({ returned, changed })
    this.#after.push(after)
  }

  #call(process: Process, operation: Operation, args: readonly bigint[]): bigint {
    const { failpoints } = this.#machine.world
    const { failNth, failPoint } = operation
    if (failNth > 0)
      failpoints.failNth(failPoint === undefined && failNth !== FAIL_ALL ? failNth : 1, failPoint)
    this.#hooks?.before(this.#answers.length)
    try {
      return BigInt(this.#dispatch(process, operation, args))
    } catch (error) {
      if (!isErrno(error)) throw error
      return BigInt(-error.errno)
    } finally {
      this.#hooks?.after()
      if (operation.failNth > 0) failpoints.off()
    }
  }

  /** Calls that concern several processes are here. */
  #dispatch(process: Process, { code, role }: Operation, values: readonly bigint[]): number {
    const args = new Arguments(values)
    switch (code) {
      case OPERATION.fork: {
        const child = process.fork()
        this.#roles[args.int(0)] = child
        this.processes.push(child)
        return 0
      }
      case OPERATION.exit:
        process.exit()
        this.#roles[role] = undefined
        return 0
      case OPERATION.sendFd:
        process.files.get(args.int(0))
        this.#sent.push({ from: process, fd: args.int(0) })
        return 0
      case OPERATION.receiveFd:
        return this.#receive(process)
      default: {
        const call = CALLS[code]
        if (call === undefined) throw new Error(`operation ${code} has no call`)
        return call(process, args)
      }
    }
  }

  #receive(process: Process): number {
    const sent = this.#sent.shift()
    if (sent === undefined) return -11
    return sent.from.sendFd(process, sent.fd)
  }
}

/** Up to the first byte that cannot be written. */
function store(process: Process, { address }: ProgramBuffer, bytes: Uint8Array | undefined): boolean {
  return everyPage(address, bytes?.length ?? 0, (at, start, end) => {
    process.poke(at, (bytes ?? new Uint8Array()).subarray(start, end))
  })
}

/** Bytes that cannot be read count as unchanged. Buffers in the scratch area are zeroed. */
function load(
  process: Process,
  { address, isScratch }: ProgramBuffer,
  before: Uint8Array | undefined,
): { bytes: Uint8Array; whole: boolean } {
  const bytes = Uint8Array.from(before ?? [])
  const whole = everyPage(address, bytes.length, (at, start, end) => {
    const part = new Uint8Array(end - start)
    process.peek(at, part)
    bytes.set(part, start)
  })
  if (isScratch && bytes.length > 0) process.poke(address, new Uint8Array(bytes.length))
  return { bytes, whole }
}

/** Page by page up to the first fault; whether all went well. */
function everyPage(
  address: bigint,
  length: number,
  visit: (at: bigint, start: number, end: number) => void,
): boolean {
  for (let start = 0; start < length; ) {
    const at = address + BigInt(start)
    const end = Math.min(length, start + Number(PAGE - (at % PAGE)))
    if (at >= 0x7ffffffff000n) return false
    try {
      visit(at, start, end)
    } catch (error) {
      if (!isErrno(error)) throw error
      return false
    }
    start = end
  }
  return true
}
