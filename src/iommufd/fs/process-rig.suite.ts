// SPDX-License-Identifier: MIT
import { isErrno } from '../../base/errno.ts'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { FrameAllocator } from '../../kernel/mm/frame-allocator.ts'
import { Mm } from '../../kernel/mm/mm.ts'
import { Failpoints } from '../../sim/failpoint.ts'
import { OpenFile } from '../files.ts'
import { Process, type ProcessOptions } from '../process.ts'
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } from './constants.ts'
import { DeviceNodes } from './device-nodes.ts'

export const PAGE = 4096n
export const READ = 1
export const WRITE = 2
export const EXEC = 4
export const RW = 3
/** MAP_PRIVATE | MAP_ANONYMOUS and MAP_SHARED | MAP_ANONYMOUS. */
export const PRIVATE: number = MAP_PRIVATE | MAP_ANONYMOUS
export const SHARED: number = MAP_SHARED | MAP_ANONYMOUS
/** Where the tests map at a fixed place. */
export const A = 0x1000_0000n

/** A file that can do nothing: a stream without operations. Counts its releases. */
export class PlainFile extends OpenFile {
  releases = 0

  constructor(name: string = '[plain]') {
    super(name)
  }

  protected override release(): void {
    this.releases++
  }
}

/** Memory and one process, without a machine around it. */
export class ProcessRig {
  readonly memory: PhysicalMemory
  readonly failpoints: Failpoints
  readonly frames: FrameAllocator
  readonly nodes: DeviceNodes = new DeviceNodes()
  readonly process: Process
  /** Opened at /dev/plain, in order. */
  readonly opened: PlainFile[] = []

  constructor(
    options: {
      frames?: number
      hugePages?: number
      failpoints?: Failpoints
      process?: Partial<ProcessOptions>
    } = {},
  ) {
    const { frames = 512, hugePages = 0, failpoints = new Failpoints() } = options
    this.failpoints = failpoints
    this.memory = new PhysicalMemory({ bytes: (frames + hugePages * 512) * 4096, wasm: false })
    this.frames = new FrameAllocator({ memory: this.memory, failpoints, hugePages })
    this.nodes.register('/dev/plain', () => {
      const file = new PlainFile('/dev/plain')
      this.opened.push(file)
      return file
    })
    const mm = new Mm({ memory: this.memory, frames: this.frames, failpoints })
    this.process = new Process({ mm, nodes: this.nodes, ...options.process })
  }

  /** Private anonymous memory for reading and writing at A. */
  fixed(pages: number, at: bigint = A): bigint {
    const flags = PRIVATE | MAP_FIXED
    return this.process.mmap({ address: at, length: pages * 4096, prot: RW, flags })
  }

  /** Mapped anywhere. */
  map(length: bigint | number, prot: number, flags: number, fd: number = -1, offset: bigint = 0n): bigint {
    return this.process.mmap({ length, prot, flags, fd, offset })
  }

  memfd(bytes: number, flags: number = 0): number {
    const fd = this.process.memfdCreate(flags)
    this.process.ftruncate(fd, bytes)
    return fd
  }
}

/** `ok`, or the name of the error. */
export function outcome(run: () => unknown): string {
  return String(result(run, 'ok'))
}

/** What the call returns, or the name of its error. */
export function result<T>(run: () => T, instead?: string): T | string {
  try {
    const value = run()
    return instead ?? value
  } catch (thrown) {
    if (isErrno(thrown)) return thrown.code
    throw thrown
  }
}

/** The process's own load of a byte, or EFAULT for a signal. */
export function peekByte(process: Process, address: bigint): number | string {
  const byte = new Uint8Array(1)
  return result(() => {
    process.peek(address, byte)
    return byte[0]!
  })
}

/** The process's own store of a byte. */
export function pokeByte(process: Process, address: bigint, value: number): string {
  return outcome(() => process.poke(address, Uint8Array.of(value)))
}
