// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { isErrno } from '../base/errno.ts'
import { OpenFile } from '../iommufd/files.ts'
import * as v from '../iommufd/vfio-device/constants.ts'
import { createMachine, type Machine } from './machine.ts'
import type { MachineProcess } from './process.ts'

const ADDRESS = 0x10000n
const BUFFER = 0x20000n
const IOAS_ALLOC = 0x3b81
const IOAS_MAP = 0x3b85
const HWPT_ALLOC = 0x3b89
const FAULT_QUEUE_ALLOC = 0x3b8e
const BAR0 = 2 ** 40
const CONFIG = 8 * 2 ** 40

/** Counts how often it was signalled. */
class FakeEvent extends OpenFile {
  count = 0

  override get signals(): boolean {
    return true
  }

  override signal(): void {
    this.count++
  }

  protected override release(): void {}
}

/** A program with an edu and an engine, and one page for its structs and one for data. */
class Rig {
  readonly machine: Machine
  readonly program: MachineProcess
  readonly iommufd: number

  constructor() {
    this.machine = createMachine({
      memoryBytes: 8 * 2 ** 20,
      iommus: [{ name: 'iommu0', model: 'simple' }],
      devices: [
        { name: 'edu0', kind: 'edu', iommu: 'iommu0' },
        { name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' },
      ],
    })
    this.program = this.machine.process()
    const shape = { prot: 3, flags: 0x32, length: 4096 }
    this.program.mmap({ ...shape, address: ADDRESS })
    this.program.mmap({ ...shape, address: BUFFER })
    this.iommufd = this.program.open('/dev/iommu')
  }

  /** An ioctl whose struct is 32-bit words; gives the words back. */
  call(fd: number, number: number, words: readonly number[]): number[] {
    this.poke(words)
    this.program.ioctl(fd, number, ADDRESS)
    return this.peek(words.length)
  }

  poke(words: readonly number[]): void {
    this.program.poke(ADDRESS, new Uint8Array(Int32Array.from(words).buffer))
  }

  peek(count: number): number[] {
    const bytes = new Uint8Array(4 * count)
    this.program.peek(ADDRESS, bytes)
    return [...new Uint32Array(bytes.buffer)]
  }

  bind(device: number): number {
    const fd = this.program.open(`/dev/vfio/devices/vfio${device}`)
    this.call(fd, v.VFIO_DEVICE_BIND_IOMMUFD, [16, 0, this.iommufd, 0])
    return fd
  }

  load(fd: number, register: number, bytes: 4 | 8 = 4): number {
    expect(this.program.pread(fd, ADDRESS, bytes, BAR0 + register)).toBe(bytes)
    const [lo = 0, hi = 0] = this.peek(2)
    return bytes === 4 ? lo : lo + hi * 2 ** 32
  }

  store(fd: number, register: number, value: number, bytes: 4 | 8 = 4): void {
    this.poke([value | 0, Math.floor(value / 2 ** 32)])
    expect(this.program.pwrite(fd, ADDRESS, bytes, BAR0 + register)).toBe(bytes)
  }

  event(): { fd: number; event: FakeEvent } {
    const event = new FakeEvent('[eventfd]')
    return { fd: this.program.files.open(event), event }
  }
}

function code(call: () => unknown): unknown {
  try {
    return call()
  } catch (thrown) {
    return isErrno(thrown) ? thrown.code : thrown
  }
}

describe('a VFIO device file', () => {
  it('can only be bound at first, and once', () => {
    const rig = new Rig()
    const fd = rig.program.open('/dev/vfio/devices/vfio0')
    const bind = (words: readonly number[]): unknown =>
      code(() => rig.call(fd, v.VFIO_DEVICE_BIND_IOMMUFD, words))
    expect(code(() => rig.call(fd, v.VFIO_DEVICE_GET_INFO, [16, 0, 0, 0]))).toBe('EINVAL')
    expect(code(() => rig.program.pread(fd, ADDRESS, 4, BAR0))).toBe('EINVAL')
    expect(bind([12, 0, rig.iommufd, 0])).toBe('EINVAL')
    expect(bind([16, 4, rig.iommufd, 0])).toBe('EINVAL')
    expect(bind([16, 0, -1, 0])).toBe('EINVAL')
    expect(bind([16, 0, 77, 0])).toBe('EBADF')
    expect(bind([16, 0, fd, 0])).toBe('EBADFD')
    expect(bind([16, 0, rig.iommufd, 0])).toEqual([16, 0, rig.iommufd, 1])
    expect(bind([16, 0, rig.iommufd, 0])).toBe('EINVAL')
    const other = rig.program.open('/dev/vfio/devices/vfio0')
    expect(
      code(() => rig.call(other, v.VFIO_DEVICE_BIND_IOMMUFD, [16, 0, rig.program.open('/dev/iommu'), 0])),
    ).toBe('EPERM')
  })

  it('tells what the device has', () => {
    const rig = new Rig()
    const fd = rig.bind(0)
    const info = (number: number, words: readonly number[]): unknown =>
      code(() => rig.call(fd, number, words))
    expect(info(v.VFIO_DEVICE_GET_INFO, [16, 0, 0, 0])).toEqual([16, 3, 9, 5])
    expect(info(v.VFIO_DEVICE_GET_REGION_INFO, [32, 0, 0, 0, 0, 0, 0, 0])).toEqual([
      32,
      3,
      0,
      0,
      2 ** 20,
      0,
      0,
      256,
    ])
    expect(info(v.VFIO_DEVICE_GET_REGION_INFO, [32, 0, 7, 0, 0, 0, 0, 0])).toEqual([
      32, 3, 7, 0, 4096, 0, 0, 2048,
    ])
    expect(info(v.VFIO_DEVICE_GET_REGION_INFO, [32, 0, 1, 0, 0, 0, 0, 0])).toEqual([
      32, 0, 1, 0, 0, 0, 0, 512,
    ])
    expect(info(v.VFIO_DEVICE_GET_REGION_INFO, [32, 0, 8, 0, 0, 0, 0, 0])).toBe('EINVAL')
    expect(info(v.VFIO_DEVICE_GET_REGION_INFO, [31, 0, 0, 0, 0, 0, 0, 0])).toBe('EINVAL')
    expect(info(v.VFIO_DEVICE_GET_IRQ_INFO, [16, 0, 0, 0])).toEqual([16, 7, 0, 1])
    expect(info(v.VFIO_DEVICE_GET_IRQ_INFO, [16, 0, 1, 0])).toEqual([16, 9, 1, 1])
    expect(info(v.VFIO_DEVICE_GET_IRQ_INFO, [16, 0, 5, 0])).toBe('EINVAL')
    expect(info(0x3b65, [0])).toBe('ENOTTY')
  })

  it('shows configuration space with ATS, PRI and PASID', () => {
    const rig = new Rig()
    const fd = rig.bind(0)
    const word = (offset: number): number => {
      rig.program.pread(fd, ADDRESS, 4, CONFIG + offset)
      return rig.peek(1)[0]!
    }
    expect(word(0)).toBe(0x11e81234)
    expect(word(8)).toBe(0x00ff0010)
    const ids: number[] = []
    for (let at = 0x100; at !== 0; at = word(at) >>> 20) ids.push(word(at) & 0xffff)
    expect(ids.toSorted((a, b) => a - b)).toEqual([0x0f, 0x13, 0x1b])
    rig.poke([-1])
    rig.program.pwrite(fd, ADDRESS, 4, CONFIG + 0x10)
    expect(word(0x10)).toBe(0xfff00000)
    rig.program.pwrite(fd, ADDRESS, 4, CONFIG)
    expect(word(0)).toBe(0x11e81234)
    expect(rig.program.pread(fd, ADDRESS, 16, CONFIG + 4090)).toBe(6)
    expect(code(() => rig.program.pread(fd, ADDRESS, 16, CONFIG + 4096))).toBe('EINVAL')
    expect(code(() => rig.program.pread(fd, ADDRESS, 16, 0))).toBe('EINVAL')
  })

  it('lets edu move bytes of the program through faults that the program repairs', () => {
    const rig = new Rig()
    const { program, machine } = rig
    const fd = rig.bind(0)
    const [, , ioas = 0] = rig.call(rig.iommufd, IOAS_ALLOC, [12, 0, 0])
    const [, , queueId = 0, queue = 0] = rig.call(rig.iommufd, FAULT_QUEUE_ALLOC, [16, 0, 0, 0])
    const hwptWords = [48, 4, 1, ioas, 0, 0, 0, 0, 0, 0, queueId, 0]
    const hwpt = rig.call(rig.iommufd, HWPT_ALLOC, hwptWords)[4]!
    expect(rig.call(fd, v.VFIO_DEVICE_ATTACH_IOMMUFD_PT, [12, 0, hwpt])).toEqual([12, 0, hwpt])
    const { fd: eventFd, event } = rig.event()
    rig.call(fd, v.VFIO_DEVICE_SET_IRQS, [24, 0x24, 1, 0, 1, eventFd])
    program.poke(BUFFER, Uint8Array.of(1, 2, 3, 4))
    rig.store(fd, 0x80, 0x5000, 8)
    rig.store(fd, 0x88, 0x40000, 8)
    rig.store(fd, 0x90, 4, 8)
    rig.store(fd, 0x98, 5, 8)
    machine.runUntilIdle()
    expect([event.count, program.poll(queue) & 1]).toEqual([0, 1])
    expect(program.read(queue, ADDRESS, 40)).toBe(40)
    const record = rig.peek(10)
    expect([record[1], record[6]]).toEqual([1, 0x5000])
    rig.call(rig.iommufd, IOAS_MAP, [40, 7, ioas, 0, Number(BUFFER), 0, 4096, 0, 0x5000, 0])
    rig.poke([record[9]!, 0])
    expect(program.write(queue, ADDRESS, 8)).toBe(8)
    machine.runUntilIdle()
    expect([event.count, rig.load(fd, 0x98), rig.load(fd, 0xa8)]).toEqual([1, 4, 0])
    expect([rig.load(fd, 0x40000), rig.load(fd, 0x24)]).toEqual([0x04030201, 0x100])
    program.exit()
    machine.shutDown()
    expect(machine.frames.inUse).toBe(0)
  })

  it('masks INTx by itself until the program unmasks it', () => {
    const rig = new Rig()
    const fd = rig.bind(0)
    const { fd: eventFd, event } = rig.event()
    const irqs = (...words: number[]): unknown => code(() => rig.call(fd, v.VFIO_DEVICE_SET_IRQS, words))
    expect(irqs(24, 0x24, 0, 0, 1, 99)).toBe('EBADF')
    expect(irqs(24, 0x24, 0, 0, 1, rig.iommufd)).toBe('EINVAL')
    irqs(24, 0x24, 0, 0, 1, eventFd)
    rig.store(fd, 0x60, 1)
    rig.store(fd, 0x60, 2)
    expect(event.count).toBe(1)
    irqs(20, 0x11, 0, 0, 1)
    expect(event.count).toBe(2)
    rig.store(fd, 0x64, 3)
    irqs(20, 0x11, 0, 0, 1)
    expect(event.count).toBe(2)
    expect(irqs(24, 0x24, 1, 0, 1, eventFd)).toBe('EINVAL')
    irqs(20, 0x21, 0, 0, 0)
    irqs(24, 0x24, 1, 0, 1, eventFd)
    rig.store(fd, 0x60, 1)
    rig.store(fd, 0x60, 1)
    irqs(20, 0x21, 1, 0, 1)
    expect(event.count).toBe(5)
    expect(irqs(20, 0x11, 1, 0, 1)).toBe('EINVAL')
    expect(irqs(20, 0x33, 1, 0, 1)).toBe('EINVAL')
    expect(irqs(20, 0x21, 2, 0, 1)).toBe('EINVAL')
  })

  it('gives the device back at its last close, as after power on', () => {
    const rig = new Rig()
    const fd = rig.bind(1)
    rig.store(fd, 0x18, 0x1234)
    rig.program.close(fd)
    const again = rig.bind(1)
    expect(rig.load(again, 0x18)).toBe(0)
    rig.store(again, 0x18, 0x1234)
    rig.program.ioctl(again, v.VFIO_DEVICE_RESET, 0n)
    expect(rig.load(again, 0x18)).toBe(0)
  })

  it('attaches PASIDs', () => {
    const rig = new Rig()
    const fd = rig.bind(1)
    const [, , ioas = 0] = rig.call(rig.iommufd, IOAS_ALLOC, [12, 0, 0])
    const hwpt = rig.call(rig.iommufd, HWPT_ALLOC, [48, 8, 1, ioas, 0, 0, 0, 0, 0, 0, 0, 0])[4]!
    const attach = (words: readonly number[]): unknown =>
      code(() => rig.call(fd, v.VFIO_DEVICE_ATTACH_IOMMUFD_PT, words))
    expect(attach([12, 1, hwpt, 5])).toBe('EINVAL')
    expect(attach([16, 1, hwpt, 5])).toEqual([16, 1, hwpt, 5])
    expect(attach([16, 1, hwpt, 5])).toEqual([16, 1, hwpt, 5])
    expect(attach([16, 1, 99, 5])).toBe('ENOENT')
    expect(attach([16, 2, hwpt, 5])).toBe('EINVAL')
    expect(rig.call(fd, v.VFIO_DEVICE_DETACH_IOMMUFD_PT, [12, 1, 5])).toEqual([12, 1, 5])
    expect(rig.call(fd, v.VFIO_DEVICE_DETACH_IOMMUFD_PT, [8, 0])).toEqual([8, 0])
  })
})
