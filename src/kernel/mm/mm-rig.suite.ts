// SPDX-License-Identifier: MIT
import { hiOf, loOf } from '../../base/u64.ts'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { X86_64_4_LEVEL } from '../../hardware/page-tables/formats/x86-64.ts'
import { WALK_OK, Walker } from '../../hardware/page-tables/walker.ts'
import { Translation } from '../../hardware/pci/messages.ts'
import { Failpoints } from '../../sim/failpoint.ts'
import { FrameAllocator } from './frame-allocator.ts'
import { Mm, type MmNotifier, type MmOptions } from './mm.ts'

export const PAGE = 4096n

/** Memory, frames and one process; hardware's view of its tables. */
export class MmRig {
  readonly memory: PhysicalMemory
  readonly failpoints: Failpoints
  readonly frames: FrameAllocator
  readonly mm: Mm
  readonly #walker: Walker
  readonly #out: Translation = new Translation()

  constructor(
    options: { frames?: number; failpoints?: Failpoints; placement?: MmOptions['placement'] } = {},
  ) {
    this.memory = new PhysicalMemory({ bytes: (options.frames ?? 512) * 4096, wasm: false })
    this.failpoints = options.failpoints ?? new Failpoints()
    this.frames = new FrameAllocator({ memory: this.memory, failpoints: this.failpoints })
    this.mm = new Mm({
      memory: this.memory,
      frames: this.frames,
      failpoints: this.failpoints,
      placement: options.placement ?? 'top-down',
    })
    this.#walker = new Walker(this.memory, X86_64_4_LEVEL)
  }

  /** Frame that a device with the process's tables reaches with `access`, or -1. */
  deviceFrame(address: bigint, access: number, mm: Mm = this.mm): number {
    const status = this.#walker.walk(mm.table.root, hiOf(address), loOf(address), access, this.#out)
    return status === WALK_OK ? this.#out.frame : -1
  }

  fault(address: bigint, flags: number, mm: Mm = this.mm): number {
    return mm.handleFault(hiOf(address), loOf(address), flags)
  }

  pin(address: bigint, write: boolean, mm: Mm = this.mm): number {
    return mm.pin(hiOf(address), loOf(address), write)
  }
}

export function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

export function readByte(mm: Mm, address: bigint): number {
  const byte = new Uint8Array(1)
  mm.read(address, byte)
  return byte[0]!
}

/** Writes down what it hears; `now` looks at the world at that moment. */
export class NotifierLog implements MmNotifier {
  readonly lines: string[] = []
  now: () => string = () => ''

  invalidate(startPage: number, endPage: number): void {
    this.lines.push(`invalidate ${startPage.toString(16)}-${endPage.toString(16)}${this.now()}`)
  }

  release(): void {
    this.lines.push(`release${this.now()}`)
  }
}
