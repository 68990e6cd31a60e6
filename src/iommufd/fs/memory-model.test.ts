// SPDX-License-Identifier: MIT
import {
  type Arbitrary,
  array,
  boolean,
  assert as check,
  constantFrom,
  nat,
  oneof,
  property,
  record,
} from 'fast-check'
import { expect, test } from 'vitest'
import type { Process } from '../process.ts'
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDONLY,
  SEEK_END,
} from './constants.ts'
import { type Cell, ModelFile, ModelProcess, SPOTS, shown, written, zeros } from './memory-model.suite.ts'
import { A, outcome, ProcessRig, READ, RW, result, WRITE } from './process-rig.suite.ts'

const WINDOW = 8
const FILES = 2
const PROCESSES_MAX = 4
/** The model looks through a page of its own. */
const SCRATCH = 0x2000_0000n

const range = { page: nat(WINDOW - 1), pages: nat(4).map((n) => n + 1) }
const spot = nat(SPOTS.length - 1)
const file = nat(FILES - 1)
const prot = constantFrom(0, READ, RW, RW, RW)
const who = nat(PROCESSES_MAX - 1)
const step = oneof(
  record({ who, kind: constantFrom('anonymous' as const), ...range, prot, shared: boolean() }),
  {
    arbitrary: record({
      who,
      kind: constantFrom('file' as const),
      ...range,
      prot,
      shared: boolean(),
      file,
      filePage: nat(2),
      readOnly: boolean(),
    }),
    weight: 3,
  },
  record({ who, kind: constantFrom('munmap' as const), ...range }),
  record({ who, kind: constantFrom('protect' as const), ...range, prot }),
  record({ who, kind: constantFrom('discard' as const), ...range }),
  {
    arbitrary: record({ who, kind: constantFrom('poke' as const), page: range.page, spot, value: nat(255) }),
    weight: 6,
  },
  {
    arbitrary: record({ who, kind: constantFrom('pin' as const), page: range.page, write: boolean() }),
    weight: 2,
  },
  record({ who, kind: constantFrom('unpin' as const) }),
  {
    arbitrary: record({
      who,
      kind: constantFrom('truncate' as const),
      file,
      bytes: nat(16).map((n) => n * 1000),
    }),
    weight: 2,
  },
  record({ who, kind: constantFrom('pwrite' as const), file, page: nat(5), spot, value: nat(255) }),
  record({ who, kind: constantFrom('fork' as const) }),
  record({ who, kind: constantFrom('exit' as const) }),
)

type Step = typeof step extends Arbitrary<infer T> ? T : never
type Of<K extends Step['kind']> = Extract<Step, { kind: K }>
type Target = { readonly process: Process; readonly model: ModelProcess }

function addressOf(page: number): bigint {
  return A + BigInt(page) * 4096n
}

/** Both sides of the comparison. */
class Pair {
  readonly rig: ProcessRig = new ProcessRig({ frames: 4096 })
  readonly files: ModelFile[] = Array.from({ length: FILES }, () => new ModelFile())
  readonly targets: Target[] = []
  readonly pins: { frame: number; cell: Cell }[] = []

  /** Descriptors: the files for reading and writing, then for reading. */
  constructor() {
    const { process } = this.rig
    for (let fd = 0; fd < FILES; fd++) process.memfdCreate()
    for (let fd = 0; fd < FILES; fd++) process.open(`/proc/self/fd/${fd}`, O_RDONLY)
    this.rig.fixed(1, SCRATCH)
    this.targets.push({ process, model: new ModelProcess() })
  }

  run(step: Step): void {
    const target = this.targets[step.who % this.targets.length]!
    const [seen, expected] = this.#apply(step, target)
    expect([step, seen]).toEqual([step, expected])
  }

  compare(): void {
    for (const { process, model } of this.targets) {
      for (let page = 0; page < WINDOW; page++) {
        const known = model.pages.get(page)
        const cell = known === undefined || known.prot === 0 ? undefined : shown(known)
        const seen = SPOTS.map((offset) => load(process, addressOf(page) + BigInt(offset)))
        expect([page, seen]).toEqual([page, cell ?? SPOTS.map(() => 'EFAULT')])
      }
    }
    const device = this.pins.map(({ frame }) =>
      SPOTS.map((offset) => this.rig.memory.bytes[frame * 4096 + offset]),
    )
    expect(device).toEqual(this.pins.map(({ cell }) => cell))
    this.files.forEach((model, fd) => this.#compareFile(model, fd))
  }

  /** Everything ends; every frame is back. */
  end(): void {
    for (const { process } of this.targets) process.exit()
    for (const { frame } of this.pins.splice(0)) this.rig.frames.unpin(frame, true)
    expect([this.rig.frames.inUse, this.rig.frames.pinned]).toEqual([0, 0])
  }

  #compareFile(model: ModelFile, fd: number): void {
    const { process } = this.targets[0]!
    expect(process.lseek(fd, 0, SEEK_END)).toBe(model.size)
    for (let page = 0; page < model.pages; page++) {
      SPOTS.forEach((offset, index) => {
        if (page * 4096 + offset >= model.size) return
        process.pread(fd, SCRATCH, 1, page * 4096 + offset)
        expect(load(process, SCRATCH)).toBe(model.cells.get(page)?.[index] ?? 0)
      })
    }
  }

  #apply(step: Step, target: Target): [unknown, unknown] {
    switch (step.kind) {
      case 'anonymous':
      case 'file':
        return this.#map(step, target)
      case 'munmap':
        return unmap(step, target)
      case 'protect':
      case 'discard':
        return change(step, target)
      case 'poke':
        return poke(step, target)
      case 'pin':
        return this.#pin(step, target)
      case 'unpin':
        return this.#unpin()
      case 'truncate':
        return this.#truncate(step, target)
      case 'pwrite':
        return this.#pwrite(step, target)
      case 'fork':
        return this.#fork(target)
      default:
        return this.#exit(target)
    }
  }

  #map(step: Of<'anonymous'> | Of<'file'>, { process, model }: Target): [unknown, unknown] {
    const ofFile = step.kind === 'file'
    const type = step.shared ? MAP_SHARED : MAP_PRIVATE
    const readOnlyFile = ofFile && step.readOnly && step.shared
    const seen = outcome(() =>
      process.mmap({
        address: addressOf(step.page),
        length: step.pages * 4096,
        prot: step.prot,
        flags: MAP_FIXED | type | (ofFile ? 0 : MAP_ANONYMOUS),
        fd: ofFile ? step.file + (step.readOnly ? FILES : 0) : -1,
        offset: ofFile ? step.filePage * 4096 : 0,
      }),
    )
    if (readOnlyFile && (step.prot & WRITE) !== 0) return [seen, 'EACCES']
    for (let i = 0; i < step.pages; i++) {
      model.pages.set(step.page + i, {
        prot: step.prot,
        shared: step.shared,
        readOnlyFile,
        file: ofFile ? this.files[step.file] : undefined,
        filePage: ofFile ? step.filePage + i : 0,
        own: !ofFile && step.shared ? zeros() : undefined,
      })
    }
    return [seen, 'ok']
  }

  /** A private page is pinned as the process's own, for reading too. */
  #pin({ page, write }: Of<'pin'>, { process, model }: Target): [unknown, unknown] {
    const frame = result(() => process.mm.pinPage(Number(addressOf(page) / 4096n), write))
    const known = model.pages.get(page)
    const allowed = known !== undefined && (known.prot & (write ? WRITE : READ)) !== 0
    const cell = allowed ? written(known) : undefined
    if (typeof frame === 'number' && cell !== undefined) this.pins.push({ frame, cell })
    return [typeof frame === 'number' ? 'ok' : frame, cell === undefined ? 'EFAULT' : 'ok']
  }

  #unpin(): [unknown, unknown] {
    const pin = this.pins.shift()
    if (pin !== undefined) this.rig.frames.unpin(pin.frame, true)
    return ['ok', 'ok']
  }

  #truncate({ file, bytes }: Of<'truncate'>, { process }: Target): [unknown, unknown] {
    const model = this.files[file]!
    model.truncate(bytes)
    for (const target of this.targets) target.model.truncated(model)
    return [outcome(() => process.ftruncate(file, bytes)), 'ok']
  }

  #pwrite({ file, page, spot, value }: Of<'pwrite'>, { process }: Target): [unknown, unknown] {
    const model = this.files[file]!
    const offset = page * 4096 + SPOTS[spot]!
    model.size = Math.max(model.size, offset + 1)
    model.cell(page)![spot] = value
    process.poke(SCRATCH, Uint8Array.of(value))
    return [result(() => process.pwrite(file, SCRATCH, 1, offset)), 1]
  }

  #fork({ process, model }: Target): [unknown, unknown] {
    if (this.targets.length < PROCESSES_MAX)
      this.targets.push({ process: process.fork(), model: model.fork() })
    return ['ok', 'ok']
  }

  #exit(target: Target): [unknown, unknown] {
    if (this.targets.length === 1) return ['ok', 'ok']
    target.process.exit()
    this.targets.splice(this.targets.indexOf(target), 1)
    return ['ok', 'ok']
  }
}

function unmap({ page, pages }: Of<'munmap'>, { process, model }: Target): [unknown, unknown] {
  for (let i = 0; i < pages; i++) model.pages.delete(page + i)
  return [outcome(() => process.munmap(addressOf(page), pages * 4096)), 'ok']
}

function change(step: Of<'protect'> | Of<'discard'>, { process, model }: Target): [unknown, unknown] {
  const { page, pages } = step
  const [address, length, end] = [addressOf(page), pages * 4096, page + pages]
  if (step.kind === 'discard') {
    return [outcome(() => process.madvise(address, length, MADV_DONTNEED)), model.discard(page, end)]
  }
  return [outcome(() => process.mprotect(address, length, step.prot)), model.protect(page, end, step.prot)]
}

function poke({ page, spot, value }: Of<'poke'>, { process, model }: Target): [unknown, unknown] {
  const seen = outcome(() => process.poke(addressOf(page) + BigInt(SPOTS[spot]!), Uint8Array.of(value)))
  const known = model.pages.get(page)
  const cell = known === undefined || (known.prot & WRITE) === 0 ? undefined : written(known)
  if (cell !== undefined) cell[spot] = value
  return [seen, cell === undefined ? 'EFAULT' : 'ok']
}

function load(process: Process, address: bigint): number | string {
  const byte = new Uint8Array(1)
  return result(() => {
    process.peek(address, byte)
    return byte[0]!
  })
}

test('any sequence of calls leaves the memory, the files and the pinned pages as the model has them', () => {
  check(
    property(array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const pair = new Pair()
      // Looking touches every page, so it is not done after every step.
      steps.forEach((one, index) => {
        pair.run(one)
        if (index % 8 === 7) pair.compare()
      })
      pair.compare()
      pair.end()
    }),
    { numRuns: 150 },
  )
})
