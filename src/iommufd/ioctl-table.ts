// SPDX-License-Identifier: MIT
import { EMSGSIZE, ENOTTY, type Errno } from '../base/errno.ts'
import {
  Destroy,
  FaultAlloc,
  HwptAlloc,
  IOMMU_DESTROY,
  IOMMU_FAULT_QUEUE_ALLOC,
  IOMMU_HWPT_ALLOC,
  IOMMU_IOAS_ALLOC,
  IOMMU_IOAS_ALLOW_IOVAS,
  IOMMU_IOAS_IOVA_RANGES,
  IOMMU_IOAS_MAP,
  IOMMU_IOAS_UNMAP,
  IoasAlloc,
  IoasAllowIovas,
  IoasIovaRanges,
  IoasMap,
  IoasUnmap,
  MIN_SIZE,
} from './abi/index.ts'
import type { Context } from './objects/context.ts'
import { destroyObject } from './objects/destroy.ts'
import { faultQueueAlloc } from './objects/fault/fault-queue-alloc.ts'
import { hwptAlloc } from './objects/hwpt/hwpt-alloc.ts'
import { ioasAlloc } from './objects/ioas/ioas-alloc.ts'
import { ioasMap } from './objects/ioas/ioas-map.ts'
import { ioasAllowIovas, ioasIovaRanges } from './objects/ioas/ioas-ranges.ts'
import { ioasUnmap } from './objects/ioas/ioas-unmap.ts'
import type { Caller } from './files.ts'

/** A decoded command, as generated in `abi/layouts.gen.ts`. */
export interface Command {
  encode(view: DataView, offset: number): void
}

export interface CommandType<C extends Command> {
  new (): C
  readonly SIZE: number
  decode(view: DataView, offset: number, into: C): C
}

/** `command` is changed in place; what it then holds is the answer. Throws an `Errno`. */
export type IoctlFunction<C> = (context: Context, command: C, caller: Caller) => void

/** A row as the dispatcher sees it, whatever its command is. */
export interface IoctlRow {
  readonly name: keyof typeof MIN_SIZE
  readonly number: number
  /** Shorter structs are refused. */
  readonly minBytes: number
  readonly structBytes: number
  /** Decodes the command at the start of `view`, runs it, and has `answer` copy it out (`runEntry`). */
  execute(view: DataView, context: Context, caller: Caller, answer: Answer): void
}

/** Brings the changed command to the caller. Throws EFAULT. */
export type Answer = (command: Command) => void

/** A row of the table. */
export class IoctlEntry<C extends Command> implements IoctlRow {
  readonly name: keyof typeof MIN_SIZE
  readonly number: number
  readonly minBytes: number
  readonly structBytes: number
  readonly struct: CommandType<C>
  readonly run: IoctlFunction<C>
  /** The failure with which the answer is copied out all the same. */
  readonly answeredError: Errno | undefined

  constructor(
    name: keyof typeof MIN_SIZE,
    number: number,
    struct: CommandType<C>,
    run: IoctlFunction<C>,
    answeredError?: Errno,
  ) {
    this.name = name
    this.number = number
    this.minBytes = MIN_SIZE[name]
    this.structBytes = struct.SIZE
    this.struct = struct
    this.run = run
    this.answeredError = answeredError
  }

  execute(view: DataView, context: Context, caller: Caller, answer: Answer): void {
    const command = this.struct.decode(view, 0, new this.struct())
    try {
      runEntry(this, context, command, caller, answer)
    } catch (thrown) {
      if (thrown === this.answeredError) answer(command)
      throw thrown
    }
  }
}

export const DESTROY: IoctlEntry<Destroy> = new IoctlEntry(
  'IOMMU_DESTROY',
  IOMMU_DESTROY,
  Destroy,
  destroyObject,
)
export const IOAS_ALLOC: IoctlEntry<IoasAlloc> = new IoctlEntry(
  'IOMMU_IOAS_ALLOC',
  IOMMU_IOAS_ALLOC,
  IoasAlloc,
  ioasAlloc,
)
export const IOAS_ALLOW_IOVAS: IoctlEntry<IoasAllowIovas> = new IoctlEntry(
  'IOMMU_IOAS_ALLOW_IOVAS',
  IOMMU_IOAS_ALLOW_IOVAS,
  IoasAllowIovas,
  ioasAllowIovas,
)
export const IOAS_IOVA_RANGES: IoctlEntry<IoasIovaRanges> = new IoctlEntry(
  'IOMMU_IOAS_IOVA_RANGES',
  IOMMU_IOAS_IOVA_RANGES,
  IoasIovaRanges,
  ioasIovaRanges,
  EMSGSIZE,
)
export const IOAS_MAP: IoctlEntry<IoasMap> = new IoctlEntry(
  'IOMMU_IOAS_MAP',
  IOMMU_IOAS_MAP,
  IoasMap,
  ioasMap,
)
export const IOAS_UNMAP: IoctlEntry<IoasUnmap> = new IoctlEntry(
  'IOMMU_IOAS_UNMAP',
  IOMMU_IOAS_UNMAP,
  IoasUnmap,
  ioasUnmap,
)
export const HWPT_ALLOC: IoctlEntry<HwptAlloc> = new IoctlEntry(
  'IOMMU_HWPT_ALLOC',
  IOMMU_HWPT_ALLOC,
  HwptAlloc,
  hwptAlloc,
)
export const FAULT_QUEUE_ALLOC: IoctlEntry<FaultAlloc> = new IoctlEntry(
  'IOMMU_FAULT_QUEUE_ALLOC',
  IOMMU_FAULT_QUEUE_ALLOC,
  FaultAlloc,
  faultQueueAlloc,
)

/** Every ioctl of /dev/iommu that is built, by number. */
export const IOCTLS: ReadonlyMap<number, IoctlRow> = byNumber([
  DESTROY,
  IOAS_ALLOC,
  IOAS_ALLOW_IOVAS,
  IOAS_IOVA_RANGES,
  IOAS_MAP,
  IOAS_UNMAP,
  HWPT_ALLOC,
  FAULT_QUEUE_ALLOC,
])

function byNumber(rows: readonly IoctlRow[]): ReadonlyMap<number, IoctlRow> {
  return new Map(rows.map((row) => [row.number, row]))
}

/** An ioctl that no row stands for: counted, and refused as the kernel refuses a number that it does not know. */
export function unbuiltIoctl(context: Context, number: number): never {
  context.countUnbuilt(number)
  throw ENOTTY
}

/** Runs one command: what it makes is finished when `answer` has succeeded, and undone when anything fails. */
export function runEntry<C extends Command>(
  entry: IoctlEntry<C>,
  context: Context,
  command: C,
  caller: Caller,
  answer?: Answer,
): void {
  try {
    entry.run(context, command, caller)
    answer?.(command)
  } catch (thrown) {
    context.abortCreated()
    throw thrown
  }
  context.finalizeCreated()
}
