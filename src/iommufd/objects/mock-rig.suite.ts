// SPDX-License-Identifier: MIT
import { isErrno } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { PROT_READ, PROT_WRITE } from '../../kernel/mm/prot.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import { createMachine, type Machine } from '../../machine/machine.ts'
import type { MachineProcess } from '../../machine/process.ts'
import * as abi from '../abi/index.ts'
import { contextOf } from '../context-file.ts'
import type { Command, CommandType } from '../ioctl-entry.ts'
import type { Context } from './context.ts'

/** Fields of a command; 64-bit ones by their name without `_hi` and `_lo`. */
export type Fields = Readonly<Record<string, number | bigint>>

/** What came of an ioctl, and the struct afterwards. */
export interface Outcome {
  /** `ok`, or the errno's name. */
  readonly result: string
  /** A 32-bit field, unsigned. */
  get(field: string): number
  get64(field: string): bigint
}

export interface MockDevice {
  readonly stdev: number
  readonly hwpt: number
  readonly device: number
}

const PAGE = 4096

export const HWPT_DATA = 0xdead
export const VIOMMU_TYPE = 0xdeadbeef
export const EVENT_TYPE = 0xbeefbeef
export const QUEUE_TYPE = 0xdeadbeef
export const INVALIDATE = 0xdeadbeef

export interface MockRigOptions {
  readonly capSysResource?: boolean
  readonly failpoints?: Failpoints
}

/** A process at the byte door of /dev/iommu, with the mock IOMMU behind it. */
export class MockRig {
  readonly machine: Machine
  readonly process: MachineProcess
  readonly fd: number
  /** Where structs lie; the page before data. */
  readonly struct: bigint

  constructor({ failpoints, ...options }: MockRigOptions = {}) {
    this.machine = createMachine({
      ...(failpoints === undefined ? {} : { failpoints }),
      memoryBytes: 16 * 2 ** 20,
      iommus: [{ name: 'mock0', model: 'mock' }],
      devices: [],
    })
    this.process = this.machine.process({ capIpcLock: true, ...options })
    this.fd = this.process.open('/dev/iommu')
    this.struct = this.memory(1)
  }

  get context(): Context {
    return contextOf(this.process, this.fd)
  }

  /** Fresh pages; a hole behind them. */
  memory(pages: number): bigint {
    const address = this.process.mm.mmap({
      lengthBytes: (pages + 1) * PAGE,
      prot: PROT_READ | PROT_WRITE,
    })
    this.process.mm.munmap(address + BigInt(pages * PAGE), PAGE)
    return address
  }

  /** Fresh pages whose frames do not follow each other: every page becomes a leaf of its own. */
  scattered(pages: number): bigint {
    const address = this.memory(pages)
    for (let page = pages - 1; page >= 0; page--)
      this.process.poke(address + BigInt(page * PAGE), Uint8Array.of(page))
    return address
  }

  /** Fresh memory with these bytes. */
  bytes(data: Uint8Array): bigint {
    const address = this.memory(Math.ceil(data.length / PAGE))
    this.process.poke(address, data)
    return address
  }

  words(...values: number[]): bigint {
    return this.bytes(new Uint8Array(Uint32Array.from(values).buffer))
  }

  peek(address: bigint, length: number): number[] {
    const bytes = new Uint8Array(length)
    this.process.peek(address, bytes)
    return [...bytes]
  }

  /** The end of the program and of the machine: frames that are still in use. */
  leftovers(): number {
    this.process.exit()
    this.machine.shutDown()
    return this.machine.frames.inUse
  }

  /** An ioctl; `at`: where the struct lies instead. */
  io<C extends Command>(
    number: number,
    type: CommandType<C>,
    fields: Fields,
    at: bigint = this.struct,
  ): Outcome {
    const command = new type()
    assign(command, { size: type.SIZE, ...fields })
    const bytes = new Uint8Array(type.SIZE)
    const view = new DataView(bytes.buffer)
    command.encode(view, 0)
    if (at === this.struct) this.process.poke(at, bytes)
    const result = outcomeOf(() => this.process.ioctl(this.fd, number, at))
    this.process.peek(at, bytes)
    const answer: object = type.decode(view, 0, command)
    return { result, get: (field) => wordOf(answer, field) >>> 0, get64: (field) => quadOf(answer, field) }
  }

  result<C extends Command>(number: number, type: CommandType<C>, fields: Fields): string {
    return this.io(number, type, fields).result
  }

  /** As `result`, with the id in `field` when it is new. */
  made<C extends Command>(number: number, type: CommandType<C>, fields: Fields, field: string): number {
    const outcome = this.io(number, type, fields)
    if (outcome.result !== 'ok') throw new Error(`${type.name} refused: ${outcome.result}`)
    return outcome.get(field)
  }

  ioas(): number {
    return this.made(abi.IOMMU_IOAS_ALLOC, abi.IoasAlloc, {}, 'out_ioas_id')
  }

  destroy(id: number): string {
    return this.result(abi.IOMMU_DESTROY, abi.Destroy, { id })
  }

  mockDomain(id: number, flags = 0): MockDevice {
    const fields = { op: abi.IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, id, dev_flags: flags }
    const outcome = this.io(abi.IOMMU_TEST_CMD, abi.TestCmdMockDomainFlags, fields)
    if (outcome.result !== 'ok') throw new Error(`MOCK_DOMAIN refused: ${outcome.result}`)
    const [stdev, hwpt, device] = ['out_stdev_id', 'out_hwpt_id', 'out_idev_id'].map((name) =>
      outcome.get(name),
    )
    return { stdev: stdev!, hwpt: hwpt!, device: device! }
  }

  replace(stdev: number, target: number): string {
    const fields = { op: abi.IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, id: stdev, pt_id: target }
    return this.result(abi.IOMMU_TEST_CMD, abi.TestCmdMockDomainReplace, fields)
  }

  hwpt(fields: Fields): string {
    return this.result(abi.IOMMU_HWPT_ALLOC, abi.HwptAlloc, fields)
  }

  makeHwpt(fields: Fields): number {
    return this.made(abi.IOMMU_HWPT_ALLOC, abi.HwptAlloc, fields, 'out_hwpt_id')
  }

  /** A nested page table with these iotlb words. */
  nestedFields(device: number, parent: number, word = 0x1234): Fields {
    const data_uptr = this.words(word, 0)
    return { dev_id: device, pt_id: parent, data_type: HWPT_DATA, data_len: 4, data_uptr }
  }

  makeViommu(device: number, hwpt: number): number {
    const fields = { type: VIOMMU_TYPE, dev_id: device, hwpt_id: hwpt }
    return this.made(abi.IOMMU_VIOMMU_ALLOC, abi.ViommuAlloc, fields, 'out_viommu_id')
  }

  map(ioas: number, iova: bigint, address: bigint, length: number, flags = 7): string {
    const fields = { flags, ioas_id: ioas, user_va: address, length, iova }
    return this.result(abi.IOMMU_IOAS_MAP, abi.IoasMap, fields)
  }

  unmap(ioas: number, iova: bigint, length: number | bigint): string {
    return this.result(abi.IOMMU_IOAS_UNMAP, abi.IoasUnmap, { ioas_id: ioas, iova, length })
  }
}

/** `ok`, a positive result as text, or the errno's name. */
export function outcomeOf(body: () => number): string {
  try {
    const result = body()
    return result === 0 ? 'ok' : String(result)
  } catch (thrown) {
    if (!isErrno(thrown)) throw thrown
    return thrown.code
  }
}

function assign(command: object, fields: Fields): void {
  for (const [name, value] of Object.entries(fields)) {
    const wide = BigInt.asUintN(64, BigInt(value))
    if (Reflect.has(command, name)) Reflect.set(command, name, loOf(wide))
    else if (Reflect.has(command, `${name}_lo`)) {
      Reflect.set(command, `${name}_lo`, loOf(wide))
      Reflect.set(command, `${name}_hi`, hiOf(wide))
    } else throw new Error(`no field ${name}`)
  }
}

function wordOf(command: object, field: string): number {
  return Number(Reflect.get(command, field))
}

function quadOf(command: object, field: string): bigint {
  return (BigInt(wordOf(command, `${field}_hi`) >>> 0) << 32n) | BigInt(wordOf(command, `${field}_lo`) >>> 0)
}
