// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { createTransfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import { Fault, FAULT_LAST_PAGE, RESPONSE_SUCCESS } from '../kernel/iommu/fault.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import { Watch } from './watch.ts'

function machineWithQueue(): { machine: Machine; watch: Watch } {
  const machine = createMachine({
    memoryBytes: 2 ** 21,
    iommus: [{ name: 'iommu0', model: 'simple' }],
    devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' }],
  })
  const watch = new Watch(machine, false)
  const iommufd = machine.process().openIommufd()
  const device = iommufd.bind('dma0')
  const faultQueue = iommufd.allocFaultQueue()
  device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue }))
  machine.device('dma0').engine.submit(createTransfer({ op: 'fill', destination: 0x5000n, lengthBytes: 1 }))
  return { machine, watch }
}

/** The invariants are worth nothing unless breaking one shows: each is broken here on purpose. */
describe('Watch', () => {
  it('sees a group that nobody answered', () => {
    const { machine, watch } = machineWithQueue()
    machine.runUntilIdle()
    watch.finishChecks()
    expect(watch.violations).toContain('dma0: page requests outstanding: 1, expected 0')
    expect(watch.violations).toContain('last requests reported and not answered: 1, expected 0')
    expect(watch.violations).toContain('groups left: 1, expected 0')
  })

  it('sees an answer too many', () => {
    const { machine, watch } = machineWithQueue()
    const { device } = machine.device('dma0')
    const request = new Fault()
    request.flags = FAULT_LAST_PAGE
    device.answer(request, RESPONSE_SUCCESS)
    machine.runUntilIdle()
    device.answer(request, RESPONSE_SUCCESS)
    machine.world.clock.createAlarm('look', () => {}).arm(1)
    machine.runUntilIdle()
    expect(watch.violations.join()).toMatch(/answered 1 times too often/)
  })

  it('sees frames that leak', () => {
    const machine = createMachine({ memoryBytes: 2 ** 21, iommus: [], devices: [] })
    const watch = new Watch(machine, false)
    machine.frames.alloc()
    watch.finish()
    expect(watch.violations).toEqual(['frames in use after shut-down: 1, expected 0'])
  })
})
