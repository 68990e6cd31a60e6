// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { createTransfer, type Transfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import type {
  BoundDevice,
  FaultQueue,
  Hwpt,
  Iommufd,
  NestedHwpt,
  NestedHwptRequest,
} from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import type { DeviceConfig } from './config.ts'
import { createMachine, type Machine, type MachineProcess } from './machine.ts'

/** Guest memory: page 0 holds CDs, 1 … 4 the tables of substream 0, 5 … 8 those of substream 9, the rest data. */
const GUEST = 0x1000_0000
const PAGE = 4096
const VSID = 0x42
const PASID = 9
const STALL = 1 << 12

let machine: Machine
let program: MachineProcess
let memory: bigint
let iommufd: Iommufd
let device: BoundDevice
let parent: Hwpt
let faults: FaultQueue

function start(change: Partial<DeviceConfig> = {}): void {
  machine = createMachine({
    memoryBytes: 16 * 2 ** 20,
    iommus: [{ name: 'smmu0', model: 'smmuv3' }],
    devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'smmu0', ...change }],
  })
  program = machine.process()
  memory = program.mm.mmap({ lengthBytes: 32 * PAGE, prot: PROT_READ | PROT_WRITE })
  iommufd = program.openIommufd()
  const ioas = iommufd.allocIoas()
  ioas.map({ userAddress: memory, lengthBytes: 32 * PAGE, iova: BigInt(GUEST) })
  device = iommufd.bind('dma0')
  parent = iommufd.allocHwpt({ device, parent: ioas, nestParent: true })
  faults = iommufd.allocFaultQueue()
}

function guestWrite(page: number, offset: number, ...words: readonly number[]): void {
  const bytes = new Uint8Array(Int32Array.from(words).buffer)
  program.mm.write(memory + BigInt(page * PAGE + offset), bytes)
}

/** Tables from `first` on, which map the IOVA 0x1000 to a data page. */
function guestTables(first: number, data: number): void {
  for (let level = 0; level < 3; level++)
    guestWrite(first + level, 0, (GUEST + (first + level + 1) * PAGE) | 3)
  guestWrite(first + 3, 8, data < 0 ? 0 : (GUEST + data * PAGE) | 0x743)
}

function guestCd(ssid: number, first: number, bits = 0): void {
  const word0 = 16 | (1 << 30) | (1 << 31)
  const word1 = 3 | (1 << 9) | (1 << 13) | (1 << 14) | ((ssid + 1) << 16) | bits
  guestWrite(0, ssid * 64, word0, word1, GUEST + first * PAGE)
}

/** struct iommu_hwpt_arm_smmuv3: stage 1 with 16 CDs, CD 0 without substream. */
function vste(on: NestedHwptRequest['parent']): NestedHwpt {
  const words = [GUEST | (5 << 1) | 1, 4 << 27, 2, 0]
  const data = { type: 2, bytes: new Uint8Array(Int32Array.from(words).buffer) }
  return iommufd.allocNestedHwpt({ device, parent: on, data, faultQueue: faults })
}

function fill(value: number, pasid?: number, destination = 0x1000n): Transfer {
  const place = pasid === undefined ? {} : { pasid }
  const transfer = createTransfer({ op: 'fill', destination, lengthBytes: 4, value, ...place })
  machine.device('dma0').engine.submit(transfer)
  machine.runUntilIdle()
  return transfer
}

function byteAt(page: number): number {
  const bytes = new Uint8Array(1)
  program.mm.read(memory + BigInt(page * PAGE), bytes)
  return bytes[0]!
}

beforeEach(() => start())

describe('a guest’s SMMU through iommufd (spec/04 §2.5)', () => {
  test('translates, faults, is repaired, invalidated, and told of what did not wait', () => {
    const viommu = iommufd.allocViommu({ type: 1, device, parent })
    viommu.allocVdevice({ device, virtId: VSID })
    const events = viommu.allocEventQueue({ type: 1, depth: 8 })
    guestTables(1, 10)
    guestCd(0, 1)
    guestTables(5, -1)
    guestCd(PASID, 5, STALL)
    device.attach(vste(viommu))
    expect([fill(0x11).status, byteAt(10)]).toEqual(['done', 0x11])

    const record = new Uint8Array(40)
    const waiting = fill(0x22, PASID)
    expect([waiting.status, faults.read(record)]).toEqual(['running', 40])
    const view = new DataView(record.buffer)
    expect([view.getUint32(0, true), view.getUint32(8, true)]).toEqual([3, PASID])
    guestTables(5, 11)
    faults.respond(view.getUint32(36, true), 'success')
    machine.runUntilIdle()
    expect([waiting.status, byteAt(11)]).toEqual(['done', 0x22])

    guestTables(1, 12)
    const command = new Uint8Array(Int32Array.from([0x12, 1 << 16, 0x1000, 0]).buffer)
    expect(viommu.invalidate({ type: 1, bytes: command, entryBytes: 16 })).toBe(1)
    expect([fill(0x33).status, byteAt(10), byteAt(12)]).toEqual(['done', 0x11, 0x33])

    expect(fill(0x44, undefined, 0x5000n).status).toBe('unrecoverable')
    const [event] = events.readEvents(32)
    const words = new DataView(event!.payload.buffer)
    expect([words.getUint8(0), words.getUint32(4, true), words.getUint32(16, true)]).toEqual([
      0x10,
      VSID,
      0x5000,
    ])
    const refused = {
      type: 1,
      bytes: Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x46 : 0)),
      entryBytes: 16,
    }
    expect(() => viommu.invalidate(refused)).toThrow(/done: 0.*EIO/)
  })

  test('needs a vdevice for stage 1, and a vIOMMU at all', () => {
    expect(() => vste(parent)).toThrow(/EOPNOTSUPP/)
    const viommu = iommufd.allocViommu({ type: 1, device, parent })
    const nested = vste(viommu)
    expect(() => device.attach(nested)).toThrow(/ENOENT/)
    expect(() => iommufd.allocViommu({ type: 2, device, parent })).toThrow(/EOPNOTSUPP/)
  })

  test('says what it is', () => {
    const info = device.hwInfo()
    expect([info.type, info.data.length, info.pasidBits, info.dirtyTracking]).toEqual([2, 40, 20, true])
  })
})

describe('devices behind an SMMUv3', () => {
  test('one that may fault waits for the fault queue’s reader; one that may not is refused, silently', () => {
    for (const [pri, status] of [
      [{ capacity: 4 }, 'running'],
      [false, 'unrecoverable'],
    ] as const) {
      start({ pri })
      device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: faults }))
      expect([pri, fill(1).status]).toEqual([pri, status])
      program.exit()
      machine.shutDown()
      machine.runUntilIdle()
      expect(machine.frames.inUse).toBe(0)
    }
  })

  test('processes have the processor’s page tables, which SVA shares', () => {
    const handle = machine.sva.bind(machine.device('dma0').device, program.mm)
    const area = program.mm.mmap({ lengthBytes: PAGE, prot: PROT_READ | PROT_WRITE })
    expect(fill(0x77, machine.sva.getPasid(handle), area).status).toBe('done')
    const bytes = new Uint8Array(4)
    program.mm.read(area, bytes)
    expect([...bytes]).toEqual([0x77, 0x77, 0x77, 0x77])
    expect(program.mm.table.format.name).toContain('LPAE')
  })
})
