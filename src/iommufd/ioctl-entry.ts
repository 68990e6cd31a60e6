// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import type { Errno } from '../base/errno.ts'
import { IOCTL_NUMBER, MIN_SIZE } from './abi/index.ts'
import type { Caller } from './files.ts'
import type { Context } from './objects/context.ts'

/** A decoded command, as generated in `abi/layouts.gen.ts`. */
export interface Command {
  encode(view: DataView, offset: number): void
}

export interface CommandType<C extends Command> {
  new (): C
  readonly SIZE: number
  decode(view: DataView, offset: number, into: C): C
}

/**
 * `command` is changed in place; what it then holds is the answer. The byte door uses it again for the next call: nothing
 * keeps it. Returns the ioctl's result when that is not 0. Throws an `Errno`.
 */
export type IoctlFunction<C> = (context: Context, command: C, caller: Caller) => number | void

/** What goes back to the caller. Left out: the whole struct when the command succeeded. */
export interface AnswerOptions<C> {
  /** Only these bytes of the struct. */
  readonly bytes?: readonly [from: number, to: number]
  /** Also after this failure, or after each; the failure stands unless the copy fails with EFAULT. */
  readonly onError?: Errno | 'always'
  /** Left out: always. */
  readonly when?: (command: C) => boolean
}

export type AnswerRule<C> = AnswerOptions<C> | 'none'

/** One call at the byte door: the kernel's copy of the struct, and the way back. */
export interface IoctlCall {
  readonly view: DataView
  /** Copies bytes of `view` to the caller, as far as its own struct goes. EFAULT. */
  answer(from: number, to: number): void
}

export type IoctlName = keyof typeof MIN_SIZE

/** A row as the doors see it, whatever its command is. */
export interface IoctlRow {
  readonly name: IoctlName
  readonly number: number
  /** Shorter structs are refused. */
  readonly minBytes: number
  readonly structBytes: number
  readonly struct: CommandType<Command>
  /** The byte door: decodes the struct, runs the command, brings the answer back. Returns the ioctl's result. */
  execute(context: Context, caller: Caller, call: IoctlCall): number
  /** The typed door: runs a command of the row's class. */
  run(context: Context, caller: Caller, command: Command): number
}

/** A row of the table. What a command makes is finished when its answer is out, and undone when anything fails. */
export class IoctlEntry<C extends Command> implements IoctlRow {
  readonly name: IoctlName
  readonly number: number
  readonly minBytes: number
  readonly structBytes: number
  readonly struct: CommandType<C>
  readonly #function: IoctlFunction<C>
  readonly #answer: AnswerRule<C>
  /** The command of the last call, out of use. */
  #spare: C | undefined = undefined

  constructor(name: IoctlName, struct: CommandType<C>, body: IoctlFunction<C>, answer: AnswerRule<C>) {
    this.name = name
    this.number = IOCTL_NUMBER[name]
    this.minBytes = MIN_SIZE[name]
    this.structBytes = struct.SIZE
    this.struct = struct
    this.#function = body
    this.#answer = answer
  }

  execute(context: Context, caller: Caller, call: IoctlCall): number {
    const command = this.#spare ?? new this.struct()
    this.#spare = undefined
    this.struct.decode(call.view, 0, command)
    try {
      return this.#perform(context, caller, command, call)
    } finally {
      this.#spare = command
    }
  }

  run(context: Context, caller: Caller, command: Command): number {
    assert(command instanceof this.struct, `not the command of ${this.name}`)
    return this.#perform(context, caller, command, undefined)
  }

  #perform(context: Context, caller: Caller, command: C, call: IoctlCall | undefined): number {
    let result: number
    try {
      result = this.#function(context, command, caller) ?? 0
      if (call !== undefined) this.#respond(command, call)
    } catch (thrown) {
      context.abortCreated()
      if (call !== undefined) this.#respondError(command, call, thrown)
      throw thrown
    }
    context.finalizeCreated()
    return result
  }

  #respond(command: C, call: IoctlCall): void {
    const rule = this.#answer
    if (rule === 'none' || rule.when?.(command) === false) return
    command.encode(call.view, 0)
    call.answer(rule.bytes?.[0] ?? 0, rule.bytes?.[1] ?? this.structBytes)
  }

  #respondError(command: C, call: IoctlCall, thrown: unknown): void {
    const rule = this.#answer
    if (rule === 'none' || rule.onError === undefined) return
    if (rule.onError === 'always' || rule.onError === thrown) this.#respond(command, call)
  }
}

/** A row: `row('IOMMU_DESTROY', Destroy, destroyObject)`. */
export function row<C extends Command>(
  name: IoctlName,
  struct: CommandType<C>,
  body: IoctlFunction<C>,
  answer: AnswerRule<C> = {},
): IoctlRow {
  return new IoctlEntry(name, struct, body, answer)
}
