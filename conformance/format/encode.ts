// SPDX-License-Identifier: MIT
/** A checked case to the program that both sides execute. */
import { OPERATION, ROLES_MAX } from '../program/program.ts'
import type { Operation } from '../program/program.ts'
import { encodeCall } from './call.ts'
import { type NamedResult, OperationDraft } from './draft.ts'
import type { EncodedCase, OperationLabel } from './encoded.ts'
import { type Case, CaseError, type PlacedOperation } from './parse.ts'
import { encodePlain } from './plain.ts'
import type { OperationSpec, SpecOf, Value } from './schema.ts'
import { encodeMemory, encodeRead, encodeWrite } from './transfer.ts'

/** The process that a case begins with. */
export const FIRST_PROCESS = 'main'

/** Responses of earlier programs leave the log, into memory that is not looked at. */
const EMPTY_LOG: readonly OperationSpec[] = [
  { kind: 'mmap', mmap: 0x2f00_0000n, length: 0x4_0000n },
  { kind: 'open', open: '/dev/iommu', as: '_log' },
  { kind: 'test', test: 'X_RESP_LOG', on: '$_log', fields: { uptr: 0x2f00_0000n, max: 4096n } },
  { kind: 'close', close: '$_log' },
  { kind: 'munmap', munmap: 0x2f00_0000n, length: 0x4_0000n },
]

interface Attachment {
  readonly role: number
  readonly draft: { readonly on: Value; readonly id: Value; readonly pasid: Value }
}

/** Throws `CaseError`. */
export function encodeCase(test: Case): EncodedCase {
  return new Encoder(test).encode()
}

class Encoder {
  readonly #case: Case
  readonly #operations: Operation[] = []
  readonly #labels: OperationLabel[] = []
  readonly #results = new Map<string, NamedResult>()
  readonly #roles = new Map<string, number>([[FIRST_PROCESS, 0]])
  readonly #alive = new Set<string>([FIRST_PROCESS])
  /** The descriptor that ioctls of a process go to unless they say. */
  readonly #opened = new Map<string, string>()
  readonly #attachments: Attachment[] = []
  #rolesUsed = 1

  constructor(test: Case) {
    this.#case = test
  }

  encode(): EncodedCase {
    this.#prepare()
    for (const placed of this.#case.operations) this.#encodePlaced(placed)
    this.#detachPasids()
    return { program: { operations: this.#operations }, labels: this.#labels }
  }

  /** What the machine options ask of the first process. */
  #prepare(): void {
    const { without = [], memlock, nofile } = this.#case.machine
    if (memlock !== undefined) this.#add({ kind: 'limit', limit: 'memlock', to: memlock }, 0, 'start')
    if (nofile !== undefined) this.#add({ kind: 'limit', limit: 'nofile', to: nofile }, 0, 'start')
    for (const drop of without) this.#add({ kind: 'drop', drop }, 0, 'start')
    const logs = this.#case.operations.some(({ spec }) => spec.kind === 'test' && spec.test === 'X_RESP_LOG')
    if (logs) for (const spec of EMPTY_LOG) this.#add(spec, 0, 'start')
  }

  /** An object that still has PASIDs attached when its context goes would be left behind in the kernel. */
  #detachPasids(): void {
    for (const { role, draft } of this.#attachments) {
      const process = [...this.#roles].find(([, number]) => number === role)?.[0] ?? FIRST_PROCESS
      if (!this.#alive.has(process)) continue
      const fields = { id: draft.id, pasid: draft.pasid }
      this.#add({ kind: 'test', test: 'PASID_DETACH', on: draft.on, in: process, fields }, 0, 'end')
    }
  }

  #encodePlaced({ spec, line, column }: PlacedOperation): void {
    try {
      this.#add(spec, line)
    } catch (error) {
      if (!(error instanceof Error) || error instanceof CaseError) throw error
      throw new CaseError(this.#case.file, line, column, error.message)
    }
  }

  #add(spec: OperationSpec, line: number, prefix?: string): void {
    const process = spec.in ?? FIRST_PROCESS
    const role = this.#roleOf(process)
    if (spec.kind === 'send') this.#addSend(spec, role, line)
    else {
      const draft = new OperationDraft(OPERATION[codeOf(spec.kind)], role, this.#results)
      const what = this.#encodeInto(draft, spec, process, role)
      this.#push(draft, line, [prefix, spec.as && `${spec.as} =`, what].filter(Boolean).join(' '), spec.as)
    }
    this.#remember(spec, process, role, prefix)
  }

  #push(draft: OperationDraft, line: number, text: string, name: string | undefined): void {
    if (name !== undefined) {
      if (this.#results.has(name)) throw new Error(`${name}: an earlier operation has this name`)
      this.#results.set(name, { operation: this.#operations.length, buffers: draft.labels })
    }
    this.#operations.push(draft.finish())
    this.#labels.push(draft.label(line, text, text.startsWith('start X_RESP_LOG')))
  }

  /** A descriptor is sent by one process and received by the other. */
  #addSend(spec: SpecOf<'send'>, role: number, line: number): void {
    const sent = new OperationDraft(OPERATION.sendFd, role, this.#results)
    sent.argument(spec.send)
    this.#push(sent, line, 'send', undefined)
    const received = new OperationDraft(OPERATION.receiveFd, this.#roleOf(spec.to), this.#results)
    this.#push(received, line, `${spec.as === undefined ? '' : `${spec.as} = `}receive`, spec.as)
  }

  #roleOf(process: string): number {
    const role = this.#roles.get(process)
    if (role === undefined)
      throw new Error(`no process ${process}: there are ${[...this.#roles.keys()].join(', ')}`)
    if (!this.#alive.has(process)) throw new Error(`process ${process} has ended`)
    return role
  }

  /** What later operations of the case depend on. */
  #remember(spec: OperationSpec, process: string, role: number, prefix: string | undefined): void {
    if (spec.kind === 'exit') this.#alive.delete(process)
    if (spec.kind === 'open' && spec.as !== undefined) this.#opened.set(process, spec.as)
    if (spec.kind === 'fork') {
      const opened = this.#opened.get(process)
      if (opened !== undefined) this.#opened.set(spec.fork, opened)
    }
    if (spec.kind !== 'test' || spec.test !== 'PASID_ATTACH' || prefix === 'end') return
    const { id = 0n, pasid = 0n } = spec.fields ?? {}
    if (!isValue(id) || !isValue(pasid)) return
    this.#attachments.push({ role, draft: { on: this.#descriptor(spec, process), id, pasid } })
  }

  #descriptor(spec: { readonly on?: Value | undefined }, process: string): Value {
    if (spec.on !== undefined) return spec.on
    const opened = this.#opened.get(process)
    if (opened === undefined) throw new Error('no descriptor: open one with a name (as) first, or say on')
    return `$${opened}`
  }

  #encodeInto(
    draft: OperationDraft,
    spec: Exclude<OperationSpec, { kind: 'send' }>,
    process: string,
    role: number,
  ): string {
    switch (spec.kind) {
      case 'ioctl':
      case 'test':
        return encodeCall(draft, spec, this.#descriptor(spec, process))
      case 'fork':
        return this.#encodeFork(draft, spec.fork)
      case 'read':
      case 'pread':
        return encodeRead(draft, spec)
      case 'write':
      case 'pwrite':
        return encodeWrite(draft, spec)
      case 'poke':
      case 'peek':
        return encodeMemory(draft, spec)
      case 'exit':
        if (role === 0) throw new Error('the first process ends with the case')
        draft.argument(spec.exit)
        return `${process} exit`
      default:
        return encodePlain(draft, spec)
    }
  }

  #encodeFork(draft: OperationDraft, child: string): string {
    if (this.#roles.has(child)) throw new Error(`there is a process ${child} already`)
    if (this.#rolesUsed === ROLES_MAX) throw new Error(`at most ${ROLES_MAX} processes`)
    const role = this.#rolesUsed++
    this.#roles.set(child, role)
    this.#alive.add(child)
    draft.argument(BigInt(role))
    return `fork ${child}`
  }
}

function isValue(value: unknown): value is Value {
  return typeof value === 'bigint' || typeof value === 'string'
}

function codeOf(kind: Exclude<OperationSpec['kind'], 'send'>): keyof typeof OPERATION {
  if (kind === 'test') return 'ioctl'
  if (kind === 'dup2') return 'dup3'
  if (kind === 'limit') return 'setrlimit'
  return kind === 'drop' ? 'dropCapability' : kind
}
