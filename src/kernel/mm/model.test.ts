// SPDX-License-Identifier: MIT
import {
  type Arbitrary,
  array,
  assert as check,
  boolean,
  constantFrom,
  nat,
  oneof,
  property,
  record,
} from 'fast-check'
import { expect, test } from 'vitest'
import { isErrno } from '../../base/errno.ts'
import { sweepFailures } from '../../sim/failpoint.ts'
import type { Mm } from './mm.ts'
import { bytesOf, MmRig, NotifierLog, PAGE } from './mm-rig.suite.ts'
import { PROT_READ, PROT_WRITE } from './prot.ts'

type Operation =
  | { readonly kind: 'mmap'; page: number; pages: number; prot: number; shared: boolean }
  | { readonly kind: 'munmap'; page: number; pages: number }
  | { readonly kind: 'discard'; page: number; pages: number }
  | { readonly kind: 'mprotect'; page: number; pages: number; prot: number }
  | { readonly kind: 'write'; page: number; value: number }
  | { readonly kind: 'pin'; page: number; write: boolean }
  | { readonly kind: 'unpin' }
  | { readonly kind: 'fork' }
  | { readonly kind: 'exit' }

type Step = Operation & { readonly process: number }

const WINDOW = 12
const BASE = 0x7f12_3456_7000n
const PROCESSES_MAX = 4

const range = { page: nat(WINDOW - 1), pages: nat(5).map((n) => n + 1) }
const prot = constantFrom(0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_WRITE)
const process = nat(PROCESSES_MAX - 1)
const step: Arbitrary<Step> = oneof(
  record({ process, kind: constantFrom('mmap' as const), ...range, prot, shared: boolean() }),
  record({ process, kind: constantFrom('munmap' as const), ...range }),
  record({ process, kind: constantFrom('discard' as const), ...range }),
  record({ process, kind: constantFrom('mprotect' as const), ...range, prot }),
  {
    arbitrary: record({ process, kind: constantFrom('write' as const), page: range.page, value: nat(255) }),
    weight: 4,
  },
  {
    arbitrary: record({ process, kind: constantFrom('pin' as const), page: range.page, write: boolean() }),
    weight: 2,
  },
  record({ process, kind: constantFrom('unpin' as const) }),
  record({ process, kind: constantFrom('fork' as const) }),
  record({ process, kind: constantFrom('exit' as const) }),
)

/** The byte at the start of a page; shared pages are one object in several processes. */
interface Cell {
  value: number
}

interface ModelPage {
  prot: number
  readonly shared: boolean
  cell: Cell
}

/** A process as its program sees it. */
class ModelProcess {
  readonly pages = new Map<number, ModelPage>()

  fork(): ModelProcess {
    const child = new ModelProcess()
    for (const [page, { prot, shared, cell }] of this.pages) {
      child.pages.set(page, { prot, shared, cell: shared ? cell : { value: cell.value } })
    }
    return child
  }
}

/** A pin: the device's eye on a cell, or on what the cell was when it went away. */
interface Pin {
  readonly frame: number
  readonly cell: Cell
}

/** Both sides of the comparison. */
class Pair {
  readonly rig: MmRig = new MmRig({ frames: 2048 })
  readonly processes: { mm: Mm; model: ModelProcess; log: NotifierLog }[] = []
  readonly pins: Pin[] = []

  constructor() {
    this.#add(this.rig.mm, new ModelProcess())
  }

  run(step: Step): void {
    const target = this.processes[step.process % this.processes.length]!
    // Whether a page that can only be written can be pinned for reading depends on its being there.
    if (step.kind === 'pin' && !step.write && target.model.pages.get(step.page)?.prot === PROT_WRITE) return
    const refused = this.#refused(() => this.#apply(step, target.mm, target.model))
    expect([step, refused]).toEqual([step, !this.#model(step, target.model)])
  }

  /** Every byte of every process, and every pinned frame, is what the model says. */
  compare(): void {
    for (const { mm, model } of this.processes) {
      const seen = Array.from({ length: WINDOW }, (_, page) => load(mm, page))
      const expected = Array.from({ length: WINDOW }, (_, page) => {
        const known = model.pages.get(page)
        return known === undefined || known.prot === 0 ? 'EFAULT' : known.cell.value
      })
      expect(seen).toEqual(expected)
    }
    const device = this.pins.map((pin) => this.rig.memory.bytes[pin.frame * 4096])
    expect(device).toEqual(this.pins.map((pin) => pin.cell.value))
  }

  /** Everything ends; every frame is back. */
  end(): void {
    for (const { mm } of this.processes) mm.exit()
    expect(this.rig.frames.pinned).toBe(this.pins.length)
    for (const { frame } of this.pins) this.rig.frames.unpin(frame, false)
    expect([this.rig.frames.inUse, this.rig.frames.pinned]).toEqual([0, 0])
  }

  #add(mm: Mm, model: ModelProcess): void {
    const log = new NotifierLog()
    mm.addNotifier(log)
    this.processes.push({ mm, model, log })
  }

  #refused(run: () => void): boolean {
    try {
      run()
      return false
    } catch (error) {
      if (!isErrno(error)) throw error
      return true
    }
  }

  #apply(step: Step, mm: Mm, model: ModelProcess): void {
    if (step.kind === 'write') mm.write(at(step.page), bytesOf(step.value))
    else if (step.kind === 'pin') this.#pin(mm, model, step.page, step.write)
    else if (step.kind === 'unpin') this.#unpin()
    else if (step.kind === 'fork') this.#fork(mm, model)
    else if (step.kind === 'exit') this.#exit(mm)
    else if (step.kind === 'mmap')
      mm.mmap({ address: at(step.page), lengthBytes: step.pages * 4096, ...step })
    else if (step.kind === 'mprotect') mm.mprotect(at(step.page), step.pages * 4096, step.prot)
    else mm[step.kind](at(step.page), step.pages * 4096)
  }

  #pin(mm: Mm, model: ModelProcess, page: number, write: boolean): void {
    const frame = mm.pinPage(Number(BASE / PAGE) + page, write)
    this.pins.push({ frame, cell: model.pages.get(page)!.cell })
  }

  #unpin(): void {
    const pin = this.pins.pop()
    if (pin !== undefined) this.rig.mm.unpinPage(pin.frame, true)
  }

  #fork(mm: Mm, model: ModelProcess): void {
    if (this.processes.length < PROCESSES_MAX) this.#add(mm.fork(), model.fork())
  }

  #exit(mm: Mm): void {
    if (this.processes.length === 1) return
    const index = this.processes.findIndex((entry) => entry.mm === mm)
    const { log } = this.processes[index]!
    mm.exit()
    this.processes.splice(index, 1)
    expect(log.lines.at(-1)).toBe('release')
  }

  /** What the step does to the model; `false`: it must be refused. */
  #model(step: Step, model: ModelProcess): boolean {
    if (step.kind === 'write') return write(model, step.page, step.value)
    if (step.kind === 'pin') return allows(model, step.page, step.write ? PROT_WRITE : PROT_READ)
    if (step.kind === 'unpin' || step.kind === 'fork' || step.kind === 'exit') return true
    return change(model, step)
  }
}

function allows(model: ModelProcess, page: number, right: number): boolean {
  return ((model.pages.get(page)?.prot ?? 0) & right) !== 0
}

function write(model: ModelProcess, page: number, value: number): boolean {
  if (!allows(model, page, PROT_WRITE)) return false
  model.pages.get(page)!.cell.value = value
  return true
}

type RangeStep = Extract<Operation, { readonly pages: number }>

function change(model: ModelProcess, step: RangeStep): boolean {
  for (let page = step.page; page < step.page + step.pages; page++) {
    const known = model.pages.get(page)
    if (step.kind === 'munmap') model.pages.delete(page)
    else if (step.kind === 'mmap')
      model.pages.set(page, { prot: step.prot, shared: step.shared, cell: { value: 0 } })
    else if (step.kind === 'discard') discard(known)
    else if (known === undefined) return false
    else known.prot = step.prot
  }
  return step.kind !== 'discard' || isCovered(model, step)
}

/** A private page begins anew; a shared one is still in its object. */
function discard(page: ModelPage | undefined): void {
  if (page !== undefined && !page.shared) page.cell = { value: 0 }
}

function isCovered(model: ModelProcess, step: RangeStep): boolean {
  return Array.from({ length: step.pages }, (_, i) => model.pages.has(step.page + i)).every(Boolean)
}

function at(page: number): bigint {
  return BASE + BigInt(page) * PAGE
}

function load(mm: Mm, page: number): number | 'EFAULT' {
  const byte = new Uint8Array(1)
  try {
    mm.read(at(page), byte)
  } catch (error) {
    if (!isErrno(error)) throw error
    return 'EFAULT'
  }
  return byte[0]!
}

function play(steps: Step[]): void {
  const pair = new Pair()
  // Looking brings pages in: every other sequence is looked at only once it is over.
  for (const next of steps) {
    pair.run(next)
    if (steps.length % 2 === 0) pair.compare()
  }
  pair.compare()
  pair.end()
}

test('processes and devices see what a naive model says, over random sequences', () => {
  check(property(array(step, { minLength: 1, maxLength: 40 }), play), { numRuns: 300, seed: 20240608 })
})

/** Runs what may fail with an Errno; says whether it did not. */
function attempt(run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (!isErrno(error)) throw error
    return false
  }
}

/** One life of a process; `mm` is its address space. Returns frames that are still pinned. */
function live(mm: Mm): number[] {
  const pinned: number[] = []
  attempt(() => mm.mmap({ address: BASE, lengthBytes: 4 * 4096, prot: 3 }))
  attempt(() => mm.mmap({ address: BASE + 4n * PAGE, lengthBytes: 2 * 4096, prot: 3, shared: true }))
  const written = attempt(() => mm.write(BASE, new Uint8Array(6 * 4096).fill(7)))
  attempt(() => pinned.push(mm.pinPage(Number(BASE / PAGE) + 1, true)))
  attempt(() => {
    const child = mm.fork()
    attempt(() => child.write(BASE, new Uint8Array(6 * 4096).fill(9)))
    child.exit()
  })
  attempt(() => mm.mprotect(BASE + PAGE, 4096, PROT_READ))
  attempt(() => mm.munmap(BASE + 2n * PAGE, 4096))
  if (written) expect([load(mm, 0), load(mm, 1), load(mm, 3)]).toEqual([7, 7, 7])
  mm.exit()
  return pinned
}

test('whatever the n-th failure is, nothing leaks and the bytes are those of before', async () => {
  const count = await sweepFailures((failpoints) => {
    let rig: MmRig | undefined
    attempt(() => (rig = new MmRig({ failpoints })))
    if (rig === undefined) return
    for (const frame of live(rig.mm)) rig.frames.unpin(frame, true)
    expect([rig.frames.inUse, rig.frames.pinned]).toEqual([0, 0])
  })
  expect(count).toBeGreaterThan(20)
})
