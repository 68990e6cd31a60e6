// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { createTransfer, type Transfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import type { FaultQueue } from '../iommufd/iommufd.ts'
import type { BoundDevice, Hwpt, Ioas, Iommufd, NestedHwpt } from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import { createMachine, type Machine, type MachineProcess } from './machine.ts'

/** A guest of 16 pages at this address of the I/O address space; its first 4 pages are its page table. */
const GUEST = 0x10_0000_0000n
const PAGE = 4096
const NESTED_DATA = 0x51
const PRESENT_WRITE_USER = 7n
const FORMAT_X86_64_4 = 1

let machine: Machine
let program: MachineProcess
let memory: bigint
let iommufd: Iommufd
let ioas: Ioas
let device: BoundDevice
let parent: Hwpt
let faults: FaultQueue

function guestPage(page: number): bigint {
  return GUEST + BigInt(page * PAGE)
}

/** The guest writes an entry of its table: the device's page `index` becomes guest page `page`. */
function setEntry(index: number, page: number | undefined): void {
  const entry = new BigUint64Array([page === undefined ? 0n : guestPage(page) | PRESENT_WRITE_USER])
  program.mm.write(memory + BigInt(3 * PAGE + index * 8), new Uint8Array(entry.buffer))
}

function nestedData(root: bigint): { type: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, root, true)
  view.setUint32(8, FORMAT_X86_64_4, true)
  return { type: NESTED_DATA, bytes }
}

function allocNested(options: { pasid?: boolean } = {}): NestedHwpt {
  return iommufd.allocNestedHwpt({ device, parent, data: nestedData(GUEST), faultQueue: faults, ...options })
}

function fill(destination: bigint, value: number, pasid?: number): Transfer {
  const place = pasid === undefined ? {} : { pasid }
  const transfer = createTransfer({ op: 'fill', destination, lengthBytes: 16, value, ...place })
  machine.device('dma0').engine.submit(transfer)
  machine.runUntilIdle()
  return transfer
}

function byteAt(page: number): number {
  const bytes = new Uint8Array(1)
  program.mm.read(memory + BigInt(page * PAGE), bytes)
  return bytes[0]!
}

function invalidate(nested: NestedHwpt, address: bigint, pages: bigint): number {
  const bytes = new Uint8Array(24)
  new DataView(bytes.buffer).setBigUint64(0, address, true)
  new DataView(bytes.buffer).setBigUint64(8, pages, true)
  return nested.invalidate({ type: NESTED_DATA, bytes, entryBytes: 24 })
}

beforeEach(() => {
  machine = createMachine({
    memoryBytes: 8 * 2 ** 20,
    iommus: [{ name: 'iommu0', model: 'simple' }],
    devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' }],
  })
  program = machine.process()
  memory = program.mm.mmap({ lengthBytes: 16 * PAGE, prot: PROT_READ | PROT_WRITE })
  iommufd = program.openIommufd()
  ioas = iommufd.allocIoas()
  ioas.map({ userAddress: memory, lengthBytes: 16 * PAGE, iova: GUEST })
  device = iommufd.bind('dma0')
  parent = iommufd.allocHwpt({ device, parent: ioas, nestParent: true, pasid: true, dirtyTracking: true })
  faults = iommufd.allocFaultQueue()
  for (let level = 0; level < 3; level++) {
    const pointer = new BigUint64Array([guestPage(level + 1) | PRESENT_WRITE_USER])
    program.mm.write(memory + BigInt(level * PAGE), new Uint8Array(pointer.buffer))
  }
})

describe('a nested page table through iommufd', () => {
  test('moves bytes where the guest’s table says', () => {
    setEntry(1, 5)
    device.attach(allocNested())
    expect(fill(0x1000n, 0x77).status).toBe('done')
    expect(byteAt(5)).toBe(0x77)
  })

  test('delivers the page faults of the guest’s table to its queue; the guest repairs it and answers', () => {
    device.attach(allocNested())
    const record = new Uint8Array(40)
    faults.onReadable(() => {
      expect(faults.read(record)).toBe(40)
      expect(new DataView(record.buffer).getBigUint64(24, true)).toBe(0x2000n)
      setEntry(2, 6)
      faults.respond(new DataView(record.buffer).getUint32(36, true), 'success')
    })
    expect(fill(0x2000n, 0x33).status).toBe('done')
    expect(byteAt(6)).toBe(0x33)
  })

  test('serves a PASID beside the device’s own traffic', () => {
    setEntry(1, 7)
    device.attach(allocNested({ pasid: true }), { pasid: 9 })
    expect(fill(0x1000n, 0x44, 9).status).toBe('done')
    expect(byteAt(7)).toBe(0x44)
  })

  test('shows a changed entry after the guest’s invalidation, and says how many requests were done', () => {
    setEntry(1, 5)
    const nested = allocNested()
    device.attach(nested)
    fill(0x1000n, 1)
    setEntry(1, 6)
    expect(invalidate(nested, 0x1000n, 1n)).toBe(1)
    fill(0x1000n, 2)
    setEntry(1, 7)
    expect(invalidate(nested, 0n, 2n ** 64n - 1n)).toBe(1)
    fill(0x1000n, 3)
    expect([byteAt(5), byteAt(6), byteAt(7)]).toEqual([1, 2, 3])
  })

  test('is replaced under traffic: its faults are answered, the next table takes over', () => {
    device.attach(allocNested())
    const waiting = fill(0x3000n, 0x55)
    expect(waiting.status).toBe('running')
    const other = allocNested()
    device.replace(other)
    machine.runUntilIdle()
    expect(waiting.status).not.toBe('running')
    setEntry(3, 8)
    expect(fill(0x3000n, 0x56).status).toBe('done')
    expect(byteAt(8)).toBe(0x56)
  })

  test('holds its parent, and leaves nothing behind', () => {
    const nested = allocNested()
    expect(() => parent.destroy()).toThrow(/EBUSY/)
    device.attach(nested)
    expect(() => nested.destroy()).toThrow(/EBUSY/)
    device.detach()
    nested.destroy()
    parent.destroy()
    program.exit()
    machine.shutDown()
    expect(machine.frames.inUse).toBe(0)
  })

  test('refuses what it does not know', () => {
    const data = nestedData(GUEST)
    const alloc =
      (change: Partial<Parameters<Iommufd['allocNestedHwpt']>[0]>): (() => void) =>
      () =>
        void iommufd.allocNestedHwpt({ device, parent, data, ...change })
    expect(alloc({ data: { ...data, type: 0x52 } })).toThrow(/EOPNOTSUPP/)
    expect(alloc({ data: { ...data, bytes: data.bytes.subarray(0, 15) } })).toThrow(/EINVAL/)
    expect(alloc({ data: nestedData(GUEST + 8n) })).toThrow(/EINVAL/)
    expect(alloc({ parent: iommufd.allocHwpt({ device, parent: ioas }) })).toThrow(/EINVAL/)
    const nested = allocNested()
    expect(() => invalidate(nested, 0x1001n, 1n)).toThrow(/done: 0.*EINVAL/)
    expect(() => invalidate(nested, 0x1000n, 2n ** 52n)).toThrow(/EINVAL/)
    const bytes = new Uint8Array(24)
    expect(() => nested.invalidate({ type: 1, bytes, entryBytes: 24 })).toThrow(/EINVAL/)
    expect(() => nested.invalidate({ type: NESTED_DATA, bytes, entryBytes: 12 })).toThrow(/EINVAL/)
  })
})

describe('what the simple unit tells', () => {
  test('its hardware, and what the device can do', () => {
    const info = device.hwInfo()
    expect([info.type, info.data.length, info.pasidBits]).toEqual([NESTED_DATA, 8, 20])
    expect([info.dirtyTracking, info.ats, info.pasidPriv, info.pasidExec]).toEqual([true, true, true, false])
    expect(() => device.hwInfo(7)).toThrow(/EOPNOTSUPP/)
  })

  test('the pages that were written, once', () => {
    const tracked = iommufd.allocHwpt({ device, parent: ioas, dirtyTracking: true })
    device.attach(tracked)
    fill(guestPage(4), 1)
    tracked.setDirtyTracking(true)
    fill(guestPage(5), 1)
    fill(guestPage(9), 1)
    const request = { iova: GUEST, lengthBytes: 16 * PAGE }
    expect([...tracked.readDirty({ ...request, clear: false })]).toEqual([0x20, 0x02])
    expect([...tracked.readDirty({ ...request, pageBytes: 2 * PAGE })]).toEqual([0x14])
    expect([...tracked.readDirty(request)]).toEqual([0, 0])
    fill(guestPage(9), 2)
    expect([...tracked.readDirty(request, Uint8Array.of(1, 1))]).toEqual([1, 3])
    expect(() => iommufd.allocHwpt({ device, parent: ioas }).setDirtyTracking(true)).toThrow(/EOPNOTSUPP/)
  })

  test('writes of a guest through the parent are dirty too', () => {
    setEntry(1, 5)
    device.attach(allocNested())
    parent.setDirtyTracking(true)
    fill(0x1000n, 1)
    const bits = parent.readDirty({ iova: GUEST, lengthBytes: 16 * PAGE })
    expect(bits[0]! & 0x20).toBe(0x20)
    fill(0x1000n, 2)
    expect(parent.readDirty({ iova: GUEST, lengthBytes: 16 * PAGE })[0]! & 0x20).toBe(0x20)
  })
})
