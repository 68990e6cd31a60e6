// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, EIO, ENODEV, ENOSPC, EOPNOTSUPP, EOVERFLOW } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { publish, reserve } from '../iommu/attach.ts'
import { attachDevicePasid, attachHandleGet } from '../iommu/attach-pasid.ts'
import { Device } from '../iommu/device.ts'
import { DOMAIN_SVA } from '../iommu/domain.ts'
import { type FakeMachine, fakeMachine, thrownBy } from '../iommu/fake-driver.suite.ts'
import { IopfQueue } from '../iopf/queue.ts'
import { report } from '../iopf/fake-handler.suite.ts'
import { FrameAllocator } from '../mm/frame-allocator.ts'
import { Mm } from '../mm/mm.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../mm/prot.ts'
import type { SvaHandle } from './handle.ts'
import { Sva } from './sva.ts'

interface SvaMachine extends FakeMachine {
  readonly sva: Sva
  readonly queue: IopfQueue
  readonly newMm: () => Mm
}

function svaMachine(pasids: readonly number[] = [32], policy: { timeoutNanos?: number } = {}): SvaMachine {
  const machine = fakeMachine(pasids)
  const { failpoints } = machine.world
  const memory = new PhysicalMemory({ bytes: 2 ** 20 })
  const frames = new FrameAllocator({ memory, failpoints })
  const queue = new IopfQueue(machine.world, { name: 'q', policy })
  for (const device of machine.devices) queue.addDevice(device)
  const newMm = (): Mm => new Mm({ memory, frames, failpoints })
  return { ...machine, sva: new Sva(machine.world), queue, newMm }
}

interface Bound extends SvaMachine {
  readonly mm: Mm
  readonly handle: SvaHandle
  readonly pasid: number
}

function bound(policy: { timeoutNanos?: number } = {}): Bound {
  const machine = svaMachine([32], policy)
  const mm = machine.newMm()
  const handle = machine.sva.bind(machine.devices[0]!, mm)
  return { ...machine, mm, handle, pasid: mm.pasid }
}

function map(mm: Mm, address: number, pages: number, prot: number): void {
  mm.mmap({ address: BigInt(address), lengthBytes: pages * 4096, prot })
}

function resident(mm: Mm, address: number, access: number): boolean {
  return mm.table.frameAt(hiOf(BigInt(address)), loOf(BigInt(address)), access) >= 0
}

describe('bind: checks in the order of spec/01 §4.1', () => {
  test('no group is ENODEV; an incompatible address space is EBUSY', () => {
    const { world, devices, newMm } = svaMachine()
    const sva = new Sva(world, { compatible: () => false })
    expect(thrownBy(() => sva.bind(new Device({ name: 'lonely', rid: 1 }), newMm()))).toBe(ENODEV)
    expect(thrownBy(() => sva.bind(devices[0]!, newMm()))).toBe(EBUSY)
  })

  test('the PASID that the address space has may be too large for the device: EOVERFLOW', () => {
    const { sva, devices, newMm } = svaMachine([32, 3])
    const [wide, narrow] = devices
    const mms = [newMm(), newMm(), newMm()]
    for (const mm of mms) sva.bind(wide!, mm)
    expect(mms.map((mm) => mm.pasid)).toEqual([1, 2, 3])
    expect(thrownBy(() => sva.bind(narrow!, mms[2]!))).toBe(EOVERFLOW)
    sva.bind(narrow!, mms[1]!)
  })

  test('without PASIDs, or with all of them given away, it is ENOSPC', () => {
    const { sva, devices, newMm } = svaMachine([0, 2])
    expect(thrownBy(() => sva.bind(devices[0]!, newMm()))).toBe(ENOSPC)
    sva.bind(devices[1]!, newMm())
    expect(thrownBy(() => sva.bind(devices[1]!, newMm()))).toBe(ENOSPC)
  })

  test('the second bind of the same address space shares the handle', () => {
    const { sva, devices, driver, newMm } = svaMachine()
    const mm = newMm()
    const handle = sva.bind(devices[0]!, mm)
    expect(sva.bind(devices[0]!, mm)).toBe(handle)
    expect([handle.users, sva.getPasid(handle)]).toEqual([2, 1])
    expect(driver.calls).toEqual(['alloc sva', 'pasid fake0 1 sva2'])
    sva.unbind(handle)
    expect(driver.takeCalls()).toHaveLength(2)
    sva.unbind(handle)
    expect(driver.calls).toEqual(['pasid fake0 1 blocked from sva2'])
    expect(() => sva.unbind(handle)).toThrow('nobody holds')
  })

  test('the PASID may be taken: another type, a foreign handle, or a bare domain are EBUSY', () => {
    for (const [type, handle] of [
      [1, new AttachHandle()],
      [DOMAIN_SVA, new AttachHandle()],
      [1, undefined],
    ] as const) {
      const { sva, devices, driver, newMm } = svaMachine()
      attachDevicePasid(driver.domain('other', type), devices[0]!, 1, handle)
      expect(thrownBy(() => sva.bind(devices[0]!, newMm()))).toBe(EBUSY)
    }
  })

  test('an existing domain of the address space is used for the next device, a new one where it does not fit', () => {
    const { sva, devices, driver, newMm } = svaMachine([32, 32, 32])
    const mm = newMm()
    const first = sva.bind(devices[0]!, mm)
    const second = sva.bind(devices[1]!, mm)
    expect(second.domain).toBe(first.domain)
    driver.refusals.set('pasid fake2 1 sva2', EIO)
    const third = sva.bind(devices[2]!, mm)
    expect(third.domain).not.toBe(first.domain)
    sva.unbind(first)
    sva.unbind(second)
    sva.unbind(third)
    expect(() => first.domain!.free()).toThrow('freed twice')
    expect(() => third.domain!.free()).toThrow('freed twice')
  })

  test('a driver without SVA is EOPNOTSUPP; errors of allocation and attachment pass through', () => {
    const { sva, devices, driver, newMm } = svaMachine()
    const { domainAllocSva } = driver
    driver.domainAllocSva = undefined
    const mm = newMm()
    expect(thrownBy(() => sva.bind(devices[0]!, mm))).toBe(EOPNOTSUPP)
    driver.domainAllocSva = domainAllocSva
    driver.refusals.set('alloc sva', EIO)
    expect(thrownBy(() => sva.bind(devices[0]!, mm))).toBe(EIO)
    driver.refusals.set('pasid fake0 1 sva2', EIO)
    expect(thrownBy(() => sva.bind(devices[0]!, mm))).toBe(EIO)
    expect(devices[0]!.group!.pasidArray.size).toBe(0)
    expect(mm.pasid).toBe(1)
  })

  test('an address space keeps its PASID until it is freed, not until the last unbind', () => {
    const { sva, devices, newMm } = svaMachine()
    const mm = newMm()
    const handle = sva.bind(devices[0]!, mm)
    sva.unbind(handle)
    expect([mm.pasid, sva.pasids.inUse]).toEqual([1, 1])
    mm.exit()
    expect(sva.pasids.inUse).toBe(0)
  })

  test('the domain holds the address space: its PASID is free after exit and unbind', () => {
    const { sva, devices, newMm } = svaMachine()
    const mm = newMm()
    const handle = sva.bind(devices[0]!, mm)
    mm.exit()
    expect(sva.pasids.inUse).toBe(1)
    sva.unbind(handle)
    expect(sva.pasids.inUse).toBe(0)
  })
})

describe('faults of an SVA domain (spec/01 §4.2)', () => {
  test('T1: a group of two pages is faulted in in order and answered SUCCESS once', () => {
    const { devices, driver, mm, pasid, queue, world } = bound()
    map(mm, 0x10000, 2, PROT_READ | PROT_WRITE)
    expect(report(devices[0]!, { pasid, grpid: 3, perm: 1, addr: 0x10000, last: false })).toBe(0)
    expect(report(devices[0]!, { pasid, grpid: 3, perm: 2, addr: 0x11000 })).toBe(0)
    expect([devices[0]!.faultParam!.pending.length, driver.answers.length]).toEqual([1, 0])
    world.scheduler.runUntilIdle()
    expect(driver.answers).toEqual([{ rid: 0x100, pasid, grpid: 3, addr: 0x11000, code: 0 }])
    expect([resident(mm, 0x10000, 1), resident(mm, 0x11000, 2)]).toEqual([true, true])
    expect([devices[0]!.faultParam!.pending.length, queue.pool.groupsInUse]).toEqual([0, 0])
  })

  test('T2: the first page that cannot be had makes the answer INVALID, and later pages are not touched', () => {
    const { devices, driver, mm, pasid, world } = bound()
    map(mm, 0x10000, 1, PROT_READ)
    map(mm, 0x12000, 1, PROT_READ)
    report(devices[0]!, { pasid, grpid: 3, addr: 0x10000, last: false })
    report(devices[0]!, { pasid, grpid: 3, addr: 0x11000, last: false })
    report(devices[0]!, { pasid, grpid: 3, addr: 0x12000 })
    world.scheduler.runUntilIdle()
    expect(driver.answers.map(({ code }) => code)).toEqual([1])
    expect([resident(mm, 0x10000, 1), resident(mm, 0x12000, 1)]).toEqual([true, false])
  })

  test('T8: work that cannot be queued is FAILURE, and the report returns 0', () => {
    const { devices, driver, mm, pasid, world } = bound()
    map(mm, 0x10000, 1, PROT_READ)
    world.failpoints.failNth(1, 'sva_queue_work')
    expect(report(devices[0]!, { pasid, grpid: 3, addr: 0x10000 })).toBe(0)
    expect(driver.answers.map(({ code }) => code)).toEqual([2])
  })

  test('T6: flushed first, removal finds nothing pending; unflushed, the work of a freed group is a broken invariant', () => {
    const flushed = bound()
    map(flushed.mm, 0x10000, 1, PROT_READ)
    report(flushed.devices[0]!, { pasid: flushed.pasid, grpid: 3, addr: 0x10000 })
    flushed.queue.flushDevice(flushed.devices[0]!)
    flushed.queue.removeDevice(flushed.devices[0]!)
    expect(flushed.driver.answers.map(({ code }) => code)).toEqual([0])
    const hasty = bound()
    report(hasty.devices[0]!, { pasid: hasty.pasid, grpid: 3 })
    hasty.queue.removeDevice(hasty.devices[0]!)
    expect(() => hasty.world.scheduler.runUntilIdle()).toThrow('flush before removal')
  })

  const cases: readonly [string, number, number, number][] = [
    ['a read of a readable page', PROT_READ, 1, 0],
    ['a write of a readable page', PROT_READ, 2, 1],
    ['a write of a writable page', PROT_READ | PROT_WRITE, 2, 0],
    ['an execute of a page that is not executable', PROT_READ | PROT_WRITE, 4, 1],
    ['an execute of an executable page', PROT_READ | PROT_EXEC, 4, 0],
    ['no permission at all, handled as a read', PROT_READ, 0, 0],
    ['no permission at all on a page without any: nothing was asked for', 0, 0, 0],
  ]
  for (const [name, prot, perm, code] of cases) {
    test(`${name} is ${code === 0 ? 'SUCCESS' : 'INVALID'}`, () => {
      const { devices, driver, mm, pasid, world } = bound()
      map(mm, 0x10000, 1, prot)
      report(devices[0]!, { pasid, grpid: 3, perm, addr: 0x10000 })
      world.scheduler.runUntilIdle()
      expect(driver.answers.map((answer) => answer.code)).toEqual([code])
    })
  }

  test('no area at the address, a process that has ended, and an out-of-memory fault are INVALID', () => {
    const { devices, driver, mm, pasid, world } = bound()
    map(mm, 0x10000, 1, PROT_READ | PROT_WRITE)
    report(devices[0]!, { pasid, grpid: 1, addr: 0x20000 })
    world.scheduler.runUntilIdle()
    report(devices[0]!, { pasid, grpid: 2, addr: 0x10000, perm: 2 })
    world.failpoints.failNth(1, 'alloc_page')
    world.scheduler.runUntilIdle()
    mm.exit()
    report(devices[0]!, { pasid, grpid: 3, addr: 0x10000 })
    world.scheduler.runUntilIdle()
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })

  test('a group that closes without PASID never reaches SVA; a partial without one in it makes it INVALID', () => {
    const { devices, driver, mm, pasid, world } = bound()
    map(mm, 0x10000, 1, PROT_READ)
    const handle = attachHandleGet(devices[0]!.group!, pasid, DOMAIN_SVA)
    publish(reserve(devices[0]!.group!, 0), handle.domain!, handle)
    report(devices[0]!, { grpid: 3, addr: 0x10000, last: false })
    report(devices[0]!, { pasid, grpid: 3, addr: 0x10000 })
    world.scheduler.runUntilIdle()
    expect(driver.answers.map(({ code }) => code)).toEqual([1])
    expect(resident(mm, 0x10000, 1)).toBe(false)
  })

  test('an overdue group is taken back before its work runs (a wish)', () => {
    const { devices, driver, mm, pasid, world, queue } = bound({ timeoutNanos: 10 })
    map(mm, 0x10000, 1, PROT_READ)
    report(devices[0]!, { pasid, grpid: 3, addr: 0x10000 })
    world.scheduler.runUntilIdle()
    expect(driver.answers.map(({ code }) => code)).toEqual([2])
    expect([queue.workQueue.length, resident(mm, 0x10000, 1)]).toEqual([0, false])
  })
})
