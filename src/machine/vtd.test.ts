// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { createTransfer, type Transfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import type { BoundDevice, FaultQueue, Hwpt, Ioas, Iommufd, NestedHwpt } from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import { createMachine, type Machine, type MachineProcess } from './machine.ts'

/** A guest of 16 pages at this address of the I/O address space; its first 4 pages are its page table. */
const GUEST = 0x10_0000_0000n
const PAGE = 4096
const PRESENT_WRITE_USER = 7n

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
function setEntry(index: number, page: number): void {
  const entry = new BigUint64Array([guestPage(page) | PRESENT_WRITE_USER])
  program.mm.write(memory + BigInt(3 * PAGE + index * 8), new Uint8Array(entry.buffer))
}

/** struct iommu_hwpt_vtd_s1 and its type. */
function vtdS1(options: { flags?: bigint; width?: number; length?: number } = {}): {
  type: number
  bytes: Uint8Array
} {
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, options.flags ?? 0n, true)
  view.setBigUint64(8, GUEST, true)
  view.setUint32(16, options.width ?? 48, true)
  return { type: 1, bytes: bytes.subarray(0, options.length ?? 24) }
}

function allocNested(options: { pasid?: boolean } = {}): NestedHwpt {
  return iommufd.allocNestedHwpt({ device, parent, data: vtdS1(), faultQueue: faults, ...options })
}

function alloc(data: { type: number; bytes: Uint8Array }, on: Hwpt = parent): NestedHwpt {
  return iommufd.allocNestedHwpt({ device, parent: on, data })
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

function invalidate(nested: NestedHwpt, address: bigint, pages: bigint, flags = 0): number {
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, address, true)
  view.setBigUint64(8, pages, true)
  view.setUint32(16, flags, true)
  return nested.invalidate({ type: 0, bytes, entryBytes: 24 })
}

beforeEach(() => {
  machine = createMachine({
    memoryBytes: 8 * 2 ** 20,
    iommus: [{ name: 'iommu0', model: 'vtd' }],
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

describe('a nested page table of type VTD_S1 through iommufd (spec/04 §1.6)', () => {
  test('moves bytes where the guest’s table says, with and without PASID', () => {
    setEntry(1, 5)
    device.attach(allocNested({ pasid: true }))
    expect([fill(0x1000n, 0x77).status, byteAt(5)]).toEqual(['done', 0x77])
    device.attach(allocNested({ pasid: true }), { pasid: 9 })
    expect([fill(0x1000n, 0x44, 9).status, byteAt(5)]).toEqual(['done', 0x44])
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
    expect([fill(0x2000n, 0x33).status, byteAt(6)]).toEqual(['done', 0x33])
  })

  test('shows a changed entry after the guest’s invalidation', () => {
    setEntry(1, 5)
    const nested = allocNested()
    device.attach(nested)
    fill(0x1000n, 1)
    setEntry(1, 6)
    expect(invalidate(nested, 0x1000n, 1n, 1)).toBe(1)
    fill(0x1000n, 2)
    setEntry(1, 7)
    expect(invalidate(nested, 0n, 2n ** 64n - 1n)).toBe(1)
    fill(0x1000n, 3)
    expect([byteAt(5), byteAt(6), byteAt(7)]).toEqual([1, 2, 3])
  })

  test('is checked when allocated, attached and invalidated, each with its own error', () => {
    expect(() => alloc({ ...vtdS1(), type: 2 })).toThrow(/EOPNOTSUPP/)
    expect(() => alloc(vtdS1({ length: 23 }))).toThrow(/EINVAL/)
    expect(() => alloc(vtdS1(), iommufd.allocHwpt({ device, parent: ioas }))).toThrow(/EINVAL/)
    expect(() => device.attach(alloc(vtdS1({ width: 57 })))).toThrow(/EINVAL/)
    expect(() => device.attach(alloc(vtdS1({ flags: 2n })))).toThrow(/EINVAL/)
    const nested = alloc(vtdS1())
    expect(() => invalidate(nested, 0x1001n, 1n)).toThrow(/done: 0.*EINVAL/)
    expect(() => invalidate(nested, 0x1000n, 1n, 2)).toThrow(/EOPNOTSUPP/)
  })

  test('is replaced under traffic, and leaves nothing behind', () => {
    device.attach(allocNested())
    const waiting = fill(0x3000n, 0x55)
    expect(waiting.status).toBe('running')
    device.replace(allocNested())
    machine.runUntilIdle()
    expect(waiting.status).not.toBe('running')
    setEntry(3, 8)
    expect([fill(0x3000n, 0x56).status, byteAt(8)]).toEqual(['done', 0x56])
    program.exit()
    machine.shutDown()
    expect(machine.frames.inUse).toBe(0)
  })
})

describe('what VT-d tells, and keeps', () => {
  test('CAP and ECAP, and what the device can do', () => {
    const info = device.hwInfo()
    expect([info.type, info.data.length, info.pasidBits]).toEqual([1, 24, 20])
    expect([info.dirtyTracking, info.ats, info.pasidPriv, info.pasidExec]).toEqual([true, true, true, false])
    // ECAP bits 29 (PRS), 40 (PASID), 43 (SMTS).
    const ecap = new DataView(info.data.buffer, info.data.byteOffset).getBigUint64(16, true)
    for (const bit of [29n, 40n, 43n]) expect((ecap >> bit) & 1n).toBe(1n)
    expect(() => device.hwInfo(2)).toThrow(/EOPNOTSUPP/)
  })

  test('the interrupt range is nobody’s', () => {
    device.attach(iommufd.allocHwpt({ device, parent: ioas }))
    const at =
      (iova: bigint): (() => void) =>
      () =>
        void ioas.map({ userAddress: memory, lengthBytes: PAGE, iova })
    expect(at(0xfee0_0000n)).toThrow(/EINVAL/)
    expect(at(0xfeef_f000n)).toThrow(/EINVAL/)
    expect(at(0xfef0_0000n)).not.toThrow()
  })

  test('pages that were written, while somebody asks', () => {
    const tracked = iommufd.allocHwpt({ device, parent: ioas, dirtyTracking: true })
    device.attach(tracked)
    const request = { iova: GUEST, lengthBytes: 16 * PAGE }
    fill(guestPage(4), 1)
    expect([...tracked.readDirty(request)]).toEqual([0, 0])
    tracked.setDirtyTracking(true)
    fill(guestPage(5), 1)
    fill(guestPage(9), 1)
    expect([...tracked.readDirty({ ...request, clear: false })]).toEqual([0x20, 0x02])
    expect([...tracked.readDirty(request)]).toEqual([0x20, 0x02])
    expect([...tracked.readDirty(request)]).toEqual([0, 0])
  })

  test('a device without PRI takes no domain with a fault queue: ENODEV (spec/01 §3.4)', () => {
    const plain = createMachine({
      iommus: [{ name: 'iommu0', model: 'vtd' }],
      devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0', pri: false }],
    })
    const fd = plain.process().openIommufd()
    const bound = fd.bind('dma0')
    const hwpt = fd.allocHwpt({ device: bound, parent: fd.allocIoas(), faultQueue: fd.allocFaultQueue() })
    expect(() => bound.attach(hwpt)).toThrow(/ENODEV/)
  })
})
