// SPDX-License-Identifier: MIT
/** What a random program has made so far, as far as later operations want to know. Names are those of results. */
import { FIRST_PROCESS } from '../format/encode.ts'
import type { FieldValue, OperationSpec, Value } from '../format/schema.ts'
import { ARENA } from '../program/program.ts'
import type { Random } from './random.ts'

/** Operations that belong together: they are kept or dropped as one. */
export type Step = readonly OperationSpec[]

export interface Mapping {
  readonly ioas: Value
  readonly iova: Value
  readonly length: bigint
  readonly address: bigint
}

export interface Hwpt {
  readonly id: Value
  readonly kind: 'paging' | 'nested'
  readonly isParent: boolean
  readonly hasPasid: boolean
  /** Allocated over this IOAS. */
  readonly ioas: Value | undefined
}

export interface MockDevice {
  readonly stdev: Value
  readonly idev: Value
  readonly hasPasid: boolean
}

export interface Queue {
  readonly id: Value
  readonly fd: Value
  /** Reads whose cookies may be outstanding. */
  readonly reads: { readonly name: string; readonly records: number }[]
}

export interface Access {
  readonly fd: Value
  readonly pins: boolean
  readonly items: Value[]
  readonly ioas: Value
}

export interface Viommu {
  readonly id: Value
  readonly hwpt: Value
  /** Name of the allocation when it had data: `$name.data_uptr.out_mmap_offset`. */
  readonly mapped: string | undefined
}

/** An open /dev/iommu. */
export interface ContextState {
  readonly fd: Value
  readonly isVfio: boolean
  readonly ioases: Value[]
  readonly hwpts: Hwpt[]
  readonly dirtyHwpts: Value[]
  readonly devices: MockDevice[]
  /** Every device that was ever made: PASIDs may be attached to it. */
  readonly stdevs: Value[]
  readonly queues: Queue[]
  readonly accesses: Access[]
  readonly viommus: Viommu[]
  readonly vdevices: Value[]
  readonly eventQueues: { readonly id: Value; readonly fd: Value }[]
  readonly hwQueues: Value[]
  readonly mappings: Mapping[]
}

export const PASIDS: readonly bigint[] = [1n, 2n, 3n, 1024n, 0xfffffn]

export interface StateOptions {
  readonly extended: boolean
  readonly hugePages: boolean
  /** Mappings of ordinary memory are one page: whether more of them are adjacent is not the kernel's promise. */
  readonly singlePages: boolean
}

/** Where huge pages are mapped. */
export const HUGE_AREA = 0x4000_0000n

export class FuzzState {
  readonly random: Random
  readonly steps: Step[] = []
  readonly contexts: ContextState[] = []
  readonly processes: string[] = [FIRST_PROCESS]
  /** By process: the same number may be another file elsewhere. */
  readonly memfds: { readonly fd: Value; readonly process: string }[] = []
  readonly dmabufs: { readonly fd: Value; readonly process: string }[] = []
  /** Descriptors of any kind, for dup, close, send and wrong uses. */
  readonly descriptors: Value[] = []
  readonly extended: boolean
  readonly hugePages: boolean
  /** PASIDs that were attached anywhere. */
  readonly pasidsUsed = new Set<bigint>()
  /** Where the next operations go. */
  process: string = FIRST_PROCESS
  context: ContextState | undefined
  /** Most programs are nearly right everywhere: only they get far. */
  readonly #isTidy: boolean
  readonly #singlePages: boolean
  /** Set once the area of huge pages is there. */
  hasHugeArea = false
  #names = 0

  constructor(random: Random, options: StateOptions) {
    this.random = random
    this.extended = options.extended
    this.hugePages = options.hugePages
    this.#singlePages = options.singlePages
    this.#isTidy = random.below(10) < 7
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  /** Of the present process. */
  own(files: readonly { readonly fd: Value; readonly process: string }[]): Value[] {
    return files.filter(({ process }) => process === this.process).map(({ fd }) => fd)
  }

  /** Its number may soon be another file's. */
  forgetFile(fd: Value): void {
    for (const list of [this.memfds, this.dmabufs]) {
      const index = list.findIndex((file) => file.fd === fd)
      if (index >= 0) list.splice(index, 1)
      else if (typeof fd === 'bigint') list.length = 0
    }
  }

  /** Once in `n` times something odd; far less often in a tidy program. */
  oddly(n: number): boolean {
    return this.random.oneIn(this.#isTidy ? n * 10 : n)
  }

  /** One of the list, or a number that may be anything's id. */
  oneOf(list: readonly Value[]): Value {
    const { random } = this
    return list.length === 0 || this.oddly(60) ? BigInt(random.below(12)) : random.pick(list)
  }

  push(...step: OperationSpec[]): void {
    this.steps.push(step)
  }

  /** An ioctl of the present context, from the present process. */
  ioctl(ioctl: string, fields: Record<string, FieldValue> = {}, as?: string): OperationSpec {
    return { kind: 'ioctl', ioctl, fields, ...this.#common(as), on: this.context?.fd ?? 3n }
  }

  test(test: string, fields: Record<string, FieldValue> = {}, as?: string): OperationSpec {
    return { kind: 'test', test, fields, ...this.#common(as), on: this.context?.fd ?? 3n }
  }

  /** The part that every operation has. */
  #common(as: string | undefined): { as?: string; in?: string } {
    return { ...(as === undefined ? {} : { as }), ...this.where() }
  }

  where(): { in?: string } {
    return this.process === FIRST_PROCESS ? {} : { in: this.process }
  }

  /** PASIDs must be off before a device or its context goes: the kernel leaves the device behind otherwise. */
  detachPasids(stdevs: readonly Value[], context: ContextState | undefined = this.context): OperationSpec[] {
    const on = context?.fd ?? 3n
    return stdevs.flatMap((id) =>
      [...this.pasidsUsed].map(
        (pasid): OperationSpec => ({
          kind: 'test',
          test: 'PASID_DETACH',
          fields: { id, pasid },
          on,
          ...this.where(),
        }),
      ),
    )
  }

  detachAll(): OperationSpec[] {
    return this.contexts.flatMap((context) => this.detachPasids(context.stdevs, context))
  }

  /** An address of the arena, mostly at the start of a page. */
  address(): bigint {
    const { random } = this
    if (this.hasHugeArea && random.oneIn(3)) return HUGE_AREA + BigInt(0x1000 * random.below(24))
    const page = BigInt(ARENA.address + 0x1000 * random.below(24))
    if (!this.oddly(6)) return page
    return random.weighted([
      [3, page + 0x800n],
      [2, page + BigInt(random.below(4096))],
      [1, BigInt(ARENA.address + ARENA.bytes - 0x1000 * random.below(3))],
      [1, random.pick(HOSTILE_ADDRESSES)],
    ])
  }

  length(): bigint {
    const { random } = this
    if (!this.oddly(8)) return BigInt(0x1000 * (1 + random.below(random.oneIn(8) ? 24 : 4)))
    return random.weighted([
      [3, 0x800n],
      [2, BigInt(1 + random.below(8192))],
      [1, random.pick(HOSTILE_LENGTHS)],
    ])
  }

  /** Of memory that begins at the address. */
  lengthAt(address: bigint): bigint {
    const length = this.length()
    if (!this.#singlePages || length <= 0x1000n || (address >= HUGE_AREA && address < HUGE_AREA + 0x20_0000n))
      return length
    return 0x1000n
  }

  /** Where something is mapped, or could be. */
  iova(): Value {
    const { random } = this
    const mapping = this.context === undefined ? [] : this.context.mappings
    if (mapping.length > 0 && random.oneIn(2)) {
      const { iova } = random.pick(mapping)
      return random.oneIn(5) ? shifted(iova, BigInt(0x1000 * random.below(4))) : iova
    }
    return this.freshIova()
  }

  /** Mostly inside the aperture of a mock domain. */
  freshIova(): bigint {
    const { random } = this
    const near = 0x1000000n + BigInt(0x1000 * random.below(128))
    if (!this.oddly(10)) return near
    return random.weighted([
      [3, BigInt(0x1000 * random.below(24))],
      [2, near + 0x800n],
      [1, random.pick(HOSTILE_NUMBERS)],
    ])
  }
}

export function shifted(value: Value, by: bigint): Value {
  if (typeof value === 'bigint') return value + by
  const reference = /^\$[\w.]+$/.test(value)
  return reference && by > 0n ? `${value} + ${by}` : value
}

export const HOSTILE_ADDRESSES: readonly bigint[] = [
  0n,
  8n,
  0x0fff_f000n,
  0x1010_0000n,
  0x100f_fff8n,
  0xdead_0000n,
  0x7fff_ffff_f000n,
  0x8000_0000_0000n,
  0xffff_8000_0000_0000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_ffffn,
]

export const HOSTILE_LENGTHS: readonly bigint[] = [
  0n,
  1n,
  0x10_0000n,
  0x20_0000n,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_e000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
]

export const HOSTILE_NUMBERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  0x7ffn,
  0x800n,
  0xfffn,
  0x1000n,
  0x7fff_f000n,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x3f_ffff_f000n,
  0x40_0000_0000n,
  0x7fff_ffff_ffff_f000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
]
