// SPDX-License-Identifier: MIT
import { isErrno } from '../base/errno.ts'
import { createMachine, type Machine, type MachineProcess } from './machine.ts'

/** What an ioctl gave: the errno's name or the result, and the words of the struct as they are then. */
export interface Answer {
  readonly result: string | number
  readonly words: Uint32Array
}

/** Memory of the program, and where its structs stand. */
export const MEMORY = 0x10000000
const MEMORY_BYTES = 0x400000
const STRUCT = 0x8000000
const TEST_CMD_WORDS = 18

export interface MockRigOptions {
  readonly extended?: boolean
  readonly hugePages?: number
}

export interface CallOptions {
  /** The answer cannot be written. */
  readonly readOnly?: boolean
  readonly fd?: number
}

export interface HwptOptions {
  readonly flags?: number
  readonly fault?: number
  /** Words of the data, whose type is 0xdead. */
  readonly data?: readonly number[]
}

/** A program that knows the header only: structs of 32-bit words on /dev/iommu of a machine with a mock. */
export class MockRig {
  readonly machine: Machine
  readonly process: MachineProcess
  readonly fd: number

  constructor({ extended = false, hugePages = 0 }: MockRigOptions = {}) {
    this.machine = createMachine({
      memoryBytes: 16 * 2 ** 20,
      hugePages,
      iommus: [{ name: 'mock0', model: 'mock', extended }],
      devices: [],
    })
    this.process = this.machine.process({ stdio: true, capIpcLock: true })
    this.process.mmap({ address: BigInt(MEMORY), length: MEMORY_BYTES, prot: 3, flags: 0x32 })
    this.process.mmap({ address: BigInt(STRUCT), length: 4096, prot: 3, flags: 0x32 })
    this.fd = this.process.open('/dev/iommu')
  }

  /** ioctl(2) with a struct of these words. */
  ioctl(
    number: number,
    words: readonly number[],
    { readOnly = false, fd = this.fd }: CallOptions = {},
  ): Answer {
    this.store(STRUCT, words)
    if (readOnly) this.process.mprotect(BigInt(STRUCT), 4096, 1)
    const result = resultOf(() => this.process.ioctl(fd, number, BigInt(STRUCT)))
    if (readOnly) this.process.mprotect(BigInt(STRUCT), 4096, 3)
    return { result, words: this.load(STRUCT, words.length) }
  }

  /** IOMMU_TEST_CMD: `union` are the words at 16. */
  test(op: number, id: number, union: readonly number[] = [], options: CallOptions = {}): Answer {
    const words = [TEST_CMD_WORDS * 4, op, id, 0, ...union]
    while (words.length < TEST_CMD_WORDS) words.push(0)
    return this.ioctl(0x3ba0, words, options)
  }

  /** The result alone. */
  testResult(
    op: number,
    id: number,
    union: readonly number[] = [],
    options: CallOptions = {},
  ): string | number {
    return this.test(op, id, union, options).result
  }

  allocIoas(): number {
    return this.ioctl(0x3b81, [12, 0, 0]).words[2]!
  }

  destroy(id: number): string | number {
    return this.ioctl(0x3b80, [8, id]).result
  }

  /** MOCK_DOMAIN_FLAGS: ids of the selftest object, the page table and the device. */
  mockDevice(
    target: number,
    flags = 0,
  ): { readonly stdev: number; readonly hwpt: number; readonly device: number } {
    const { words } = this.test(12, target, [0, 0, 0, flags])
    return { stdev: words[4]!, hwpt: words[5]!, device: words[6]! }
  }

  /** IOMMU_HWPT_ALLOC. */
  allocHwpt(device: number, parent: number, { flags = 0, fault = 0, data }: HwptOptions = {}): Answer {
    if (data !== undefined) this.store(MEMORY + 0x3ff000, data)
    const type = data === undefined ? [0, 0, 0, 0] : [0xdead, data.length * 4, MEMORY + 0x3ff000, 0]
    return this.ioctl(0x3b89, [48, flags, device, parent, 0, 0, ...type, fault, 0])
  }

  /** IOMMU_IOAS_MAP at a fixed address. */
  map(ioas: number, address: number, bytes: number, iova: number, flags = 7): string | number {
    return this.ioctl(0x3b85, [40, flags, ioas, 0, address, 0, bytes, 0, iova, 0]).result
  }

  unmap(ioas: number, iova: number, bytes: number): string | number {
    return this.ioctl(0x3b86, [24, ioas, iova, 0, bytes, 0]).result
  }

  store(address: number, words: readonly number[]): void {
    this.process.poke(BigInt(address), new Uint8Array(Uint32Array.from(words, (word) => word >>> 0).buffer))
  }

  load(address: number, count: number): Uint32Array {
    const bytes = new Uint8Array(count * 4)
    this.process.peek(BigInt(address), bytes)
    return new Uint32Array(bytes.buffer)
  }

  /** Everything ends; throws when something leaked. Returns the frames that are left. */
  end(): number {
    this.process.exit()
    this.machine.shutDown()
    return this.machine.frames.inUse
  }
}

export function resultOf(run: () => number): string | number {
  try {
    return run()
  } catch (thrown) {
    if (isErrno(thrown)) return thrown.code
    throw thrown
  }
}
