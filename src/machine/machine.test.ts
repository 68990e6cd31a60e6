// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { createTransfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import { ACCESS_WRITE, NO_PASID } from '../hardware/pci/messages.ts'
import type { UnrecoverableRecord } from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import type { MachineConfig } from './config.ts'
import { createMachine } from './machine.ts'

const CONFIG: MachineConfig = {
  memoryBytes: 4 * 2 ** 20,
  iommus: [{ name: 'iommu0', model: 'simple' }],
  devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0', pri: { capacity: 8, allocation: 3 } }],
}
const IOVA = 0x1000_0000n

describe('createMachine', () => {
  it('gives a device the credits of its allocation', () => {
    expect(createMachine(CONFIG).device('dma0').engine.pri.credits).toBe(3)
  })

  it('names the device that does not exist, and those that do', () => {
    expect(() => createMachine(CONFIG).device('dma9')).toThrow(/no device dma9: there are dma0/)
  })

  it('refuses a device behind an IOMMU that is not there', () => {
    const devices = [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu7' }] as const
    expect(() => createMachine({ ...CONFIG, devices })).toThrow(/dma0 is behind iommu7/)
  })

  it('moves a byte through a fault that a synchronous handler repairs, and gives every frame back', () => {
    const machine = createMachine(CONFIG)
    const program = machine.process()
    const buffer = program.mm.mmap({ lengthBytes: 4096, prot: PROT_READ | PROT_WRITE })
    const iommufd = program.openIommufd()
    const faults = iommufd.allocFaultQueue()
    const ioas = iommufd.allocIoas()
    const device = iommufd.bind('dma0')
    const hwpt = iommufd.allocHwpt({ device, parent: ioas, faultQueue: faults })
    device.attach(hwpt)
    const record = new Uint8Array(40)
    faults.onReadable(() => {
      expect(faults.read(record)).toBe(40)
      ioas.map({ userAddress: buffer, lengthBytes: 4096, iova: IOVA })
      faults.write(Uint8Array.from([...record.subarray(36, 40), 0, 0, 0, 0]))
    })
    const transfer = createTransfer({ op: 'fill', destination: IOVA + 5n, lengthBytes: 1, value: 0x77 })
    machine.device('dma0').engine.submit(transfer)
    machine.runUntilIdle()
    expect(transfer.status).toBe('done')
    const bytes = new Uint8Array(6)
    program.mm.read(buffer, bytes)
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0x77])
    program.exit()
    machine.shutDown()
    expect(machine.frames.inUse).toBe(0)
  })

  it('tells the one handler of unrecoverable faults too, where somebody listens', () => {
    const machine = createMachine(CONFIG)
    const iommufd = machine.process().openIommufd()
    const faultQueue = iommufd.allocFaultQueue()
    const device = iommufd.bind('dma0')
    device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue }))
    const { rid } = machine.device('dma0').engine
    const blocked = (reason: number): void => {
      machine.iommus[0]!.unit.faults.record(rid, NO_PASID, 1, 0x2000, ACCESS_WRITE, reason, 0)
      machine.runUntilIdle()
    }
    const heard: UnrecoverableRecord[] = []
    blocked(7)
    faultQueue.onUnrecoverable((records) => heard.push(...records))
    blocked(8)
    faultQueue.onUnrecoverable(undefined)
    blocked(9)
    expect(heard).toEqual([{ rid, pasid: NO_PASID, addr_hi: 1, addr_lo: 0x2000, perm: 2, reason: 8 }])
    expect(faultQueue.read(new Uint8Array(40))).toBe(0)
  })

  it('costs no virtual time unless it is told to', () => {
    const machine = createMachine(CONFIG)
    const transfer = createTransfer({ op: 'fill', destination: IOVA, lengthBytes: 1 })
    machine.device('dma0').engine.submit(transfer)
    machine.runUntilIdle()
    expect(machine.world.clock.now).toBe(0)
  })
})
