// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL, ENODEV, ENOMEM } from '../../base/errno.ts'
import { detachGroupHandle, replaceGroupHandle } from '../iommu/attach.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { attachHandleGet, detachDevicePasid } from '../iommu/attach-pasid.ts'
import { IOMMU_READ } from '../iommu/domain.ts'
import { thrownBy } from '../iommu/fake-driver.suite.ts'
import { KeepingHandler } from '../iopf/fake-handler.suite.ts'
import type { Model } from './model.suite.ts'
import { MappingHandler, unmapPages } from './rig.suite.ts'

const PAGE = 4096
const PASID = 7

function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7) & 255)
}

/** What every driver of a unit with page requests does: enabling, draining, teardown with faults in flight. */
export function driverConformance(model: Model): void {
  describe(`driver of ${model.name}`, () => {
    faults(model)
    responses(model)
    mapping(model)
    enabling(model)
    probing(model)
    draining(model)
    removal(model)
  })
}

function faults(model: Model): void {
  describe('a fault through unit, driver and core, and back', () => {
    test('a write through a PASID faults every page in, and the bytes are there', () => {
      const rig = model.create({ engine: { groupPages: 4 } })
      const handler = new MappingHandler(rig.frames)
      handler.domain = rig.attachPasid(PASID, handler)
      const buffer = filled(10 * PAGE + 100)
      const options = { pasid: PASID, destination: 0x7fff_0000_0123n, lengthBytes: buffer.length, buffer }
      const write = rig.submit({ op: 'write', ...options })
      rig.run()
      expect(write.status).toBe('done')
      expect([handler.faults, write.faultsTaken]).toEqual([11, 11])
      const back = new Uint8Array(buffer.length)
      const read = rig.submit({
        op: 'read',
        pasid: PASID,
        source: 0x7fff_0000_0123n,
        lengthBytes: back.length,
        buffer: back,
      })
      rig.run()
      expect([read.status, read.faultsTaken]).toEqual(['done', 0])
      expect(back).toEqual(buffer)
      expect(rig.engine.outstandingRequests).toBe(0)
    })

    test('a fault without PASID goes to the domain of the RID', () => {
      const rig = model.create()
      const handler = new MappingHandler(rig.frames)
      handler.domain = rig.attachRid(handler)
      const fill = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: PAGE, value: 5 })
      rig.run()
      expect([fill.status, handler.groups]).toEqual(['done', 1])
      expect(rig.memory.bytes[handler.frames[0]! * PAGE]).toBe(5)
    })

    test('what the core is told: all flags of a last request with PASID are 7 (spec/04 §1.3)', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      rig.attachPasid(PASID, handler)
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      const { last, count } = handler.groups[0]!
      expect([last.flags, last.pasid, last.perm, last.addrHi, last.addrLo, count]).toEqual([
        7,
        PASID,
        2,
        0,
        0x1000,
        1,
      ])
      handler.answer(1)
      rig.run()
      expect(rig.engine.counters.invalid).toBe(1)
    })
  })
}

function responses(model: Model): void {
  describe('answers on their way to the device', () => {
    test('codes on the wire: INVALID ends the transfer, FAILURE switches the PRI of the device off', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      rig.attachPasid(PASID, handler)
      const first = rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      handler.answer(1)
      rig.run()
      const second = rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      handler.answer(2)
      rig.run()
      expect([first.status, second.status]).toEqual(['invalid', 'failure'])
      expect([rig.engine.pri.enabled, rig.engine.pri.responseFailure]).toEqual([false, true])
    })

    test('two devices share the queue; each gets its own answers', () => {
      const rig = model.create({ engines: 2 })
      const handler = new KeepingHandler()
      rig.attachPasid(PASID, handler)
      rig.attachPasid(PASID, handler, rig.devices[1])
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 }, rig.engines[0])
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x2000n, lengthBytes: 1 }, rig.engines[1])
      rig.run()
      expect(rig.driver.queue.devices).toEqual(rig.devices)
      handler.answer(1, 1)
      rig.run()
      expect(rig.engines.map((engine) => engine.counters.invalid)).toEqual([0, 1])
      handler.answer(1)
      rig.run()
      expect(rig.engines.map((engine) => engine.counters.invalid)).toEqual([1, 1])
    })

    test('private data comes back with the response when the machine was asked to (spec/00 3.4)', () => {
      const rig = model.create({
        privateData: true,
        engine: { privateData: true },
        policy: { privateData: true },
      })
      const handler = new KeepingHandler()
      rig.attachPasid(PASID, handler)
      const fill = rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      const { private0, private1 } = handler.groups[0]!.last
      expect(private0 | private1).not.toBe(0)
      handler.answer(1)
      rig.run()
      expect(fill.status).toBe('invalid')
      expect(rig.engine.counters.privateDataMismatch).toBe(0)
    })
  })
}

function mapping(model: Model): void {
  describe('map and unmap', () => {
    test('an unmapped page faults again: IOTLB and the device cache forgot it before unmap returned', () => {
      const rig = model.create()
      const handler = new MappingHandler(rig.frames)
      const domain = rig.attachPasid(PASID, handler)
      handler.domain = domain
      for (let round = 0; round < 3; round++) {
        const fill = rig.submit({
          op: 'fill',
          pasid: PASID,
          destination: 0x5000n,
          lengthBytes: 3 * PAGE,
          value: round,
        })
        rig.run()
        expect([fill.status, fill.faultsTaken]).toEqual(['done', 3])
        expect(unmapPages(domain, 5, 3)).toBe(3)
        handler.free()
      }
      expect(rig.driver.commands.unfinishedWaits).toBe(0)
    })

    test('a page that stays mapped is not asked for again, also after its neighbours went', () => {
      const rig = model.create()
      const handler = new MappingHandler(rig.frames)
      const domain = rig.attachPasid(PASID, handler)
      handler.domain = domain
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 40 * PAGE })
      rig.run()
      unmapPages(domain, 2, 37)
      const again = rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      const gone = rig.submit({ op: 'fill', pasid: PASID, destination: 38n * 4096n, lengthBytes: 1 })
      rig.run()
      expect([again.faultsTaken, gone.faultsTaken]).toEqual([0, 1])
    })

    test('errors of the page table pass through, and nothing is changed', () => {
      const rig = model.create()
      const domain = rig.attachRid()
      domain.map(0, 0x1000, 40, 1, IOMMU_READ)
      expect(domain.iovaToFrame(0, 0x1fff)).toBe(40)
      expect(thrownBy(() => domain.map(0, 0, 50, 2, IOMMU_READ))).toHaveProperty('code', 'EADDRINUSE')
      expect(domain.iovaToFrame(0, 0)).toBe(-1)
      expect(thrownBy(() => domain.map(0x8000, 0, 40, 1, IOMMU_READ))).toHaveProperty('code', 'ERANGE')
    })

    test('a read-only page is refused for writing and asked for with PRI', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      const domain = rig.attachPasid(PASID, handler)
      domain.map(0, 0x1000, rig.frames.allocZeroed(), 1, IOMMU_READ)
      const buffer = new Uint8Array(8)
      const read = rig.submit({ op: 'read', pasid: PASID, source: 0x1000n, lengthBytes: 8, buffer })
      rig.run()
      expect(read.status).toBe('done')
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 8 })
      rig.run()
      expect(handler.groups[0]!.last.perm & 2).toBe(2)
    })
  })
}

function enabling(model: Model): void {
  describe('enabling faults (spec/01 §3.4)', () => {
    test('without PRI a domain with a handler is ENODEV; one without a handler attaches', () => {
      const rig = model.create({ engine: { pri: undefined } })
      const handler = new KeepingHandler()
      expect(thrownBy(() => rig.attachPasid(PASID, handler))).toBe(ENODEV)
      expect(thrownBy(() => rig.attachRid(handler))).toBe(ENODEV)
      rig.attachPasid(PASID)
      expect(rig.device.faultParam).toBe(undefined)
    })

    test('the first attachment puts the device on the queue, the last takes it off', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      const one = rig.attachPasid(1, handler)
      const two = rig.attachPasid(2, handler)
      expect(model.faultUsers(rig)).toBe(2)
      detachDevicePasid(one, rig.device, 1)
      expect(rig.device.faultParam).toBeDefined()
      detachDevicePasid(two, rig.device, 2)
      expect(rig.device.faultParam).toBe(undefined)
    })

    test('replace enables the new domain first and disables the old one then', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      const { group } = rig.device
      rig.attachRid(handler)
      const param = rig.device.faultParam
      const next = rig.driver.domainAllocPaging(rig.device, { flags: 0, iopfHandler: handler })
      replaceGroupHandle(group!, next, new AttachHandle())
      expect(rig.device.faultParam).toBe(param)
      const plain = rig.driver.domainAllocPaging(rig.device, { flags: 0 })
      replaceGroupHandle(group!, plain, new AttachHandle())
      expect(rig.device.faultParam).toBe(undefined)
    })

    test('no memory for the fault parameter leaves everything as it was', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      const before = rig.device.group!.domain
      rig.world.failpoints.failNth(1, 'alloc_fault_param')
      expect(thrownBy(() => rig.attachRid(handler))).toBe(ENOMEM)
      expect([rig.device.group!.domain, rig.device.faultParam]).toEqual([before, undefined])
      rig.attachRid(handler)
    })
  })
}

function probing(model: Model): void {
  describe('probe (spec/01 §6.1)', () => {
    test('probe switches PASID, ATS and PRI on with the smaller number of PASIDs', () => {
      const rig = model.create({ pasidBits: 8 })
      expect([rig.engine.pasid.enabled, rig.engine.ats.enabled, rig.engine.pri.enabled]).toEqual([
        true,
        true,
        true,
      ])
      expect(rig.device.maxPasids).toBe(256)
      expect(thrownBy(() => rig.attachPasid(256))).toBe(EINVAL)
      rig.attachPasid(255)
      const plain = model.create({ pasidBits: 0, ats: false })
      expect([plain.engine.pasid.enabled, plain.engine.ats.enabled, plain.engine.pri.enabled]).toEqual([
        false,
        false,
        false,
      ])
      expect(plain.device.maxPasids).toBe(0)
    })

    test('the allocation of page requests is what the driver gives, up to the capacity', () => {
      const few = model.create({ priRequests: 8 })
      const many = model.create({ engine: { pri: { capacity: 16, responsePasidRequired: true } } })
      expect([few.engine.pri.allocation, many.engine.pri.allocation]).toEqual([8, 16])
    })
  })
}

function draining(model: Model): void {
  describe('drain before a domain goes (spec/04 §1.5)', () => {
    test('requests in the ring reach the old handler before detach returns; later ones are answered INVALID', () => {
      const rig = model.create({ interruptNanos: 1_000_000 })
      const handler = new KeepingHandler()
      const domain = rig.attachPasid(PASID, handler)
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.runUntilQueued(1)
      expect(handler.groups).toHaveLength(0)
      detachDevicePasid(domain, rig.device, PASID)
      expect(handler.groups).toHaveLength(1)
      handler.answer(1)
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      expect(rig.engine.outstandingRequests).toBe(0)
      expect(rig.driver.queue.pool.groupsInUse).toBe(0)
    })

    test('the records of other PASIDs keep their order and their handlers', () => {
      const rig = model.create({ interruptNanos: 1_000_000 })
      const first = new KeepingHandler()
      const second = new KeepingHandler()
      const domain = rig.attachPasid(1, first)
      rig.attachPasid(2, second)
      rig.submit({ op: 'fill', pasid: 2, destination: 0x1000n, lengthBytes: 1 })
      rig.submit({ op: 'fill', pasid: 1, destination: 0x1000n, lengthBytes: 1 })
      rig.runUntilQueued(2)
      detachDevicePasid(domain, rig.device, 1)
      expect([first.groups.length, second.groups.length]).toEqual([1, 1])
      first.answer(1)
      second.answer(1)
      rig.run()
      expect(rig.engine.outstandingRequests).toBe(0)
    })

    test('the RID as well: a group that the handler keeps survives the detach and is answered after it (T7)', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      rig.attachRid(handler)
      const { group } = rig.device
      const fill = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      detachGroupHandle(group!, attachHandleGet(group!, 0, 0))
      expect(rig.device.faultParam).toBe(undefined)
      handler.answer(1)
      rig.run()
      expect([fill.status, rig.engine.outstandingRequests]).toEqual(['invalid', 0])
    })
  })
}

function removal(model: Model): void {
  describe('removal of a device (spec/01 §3.1)', () => {
    test('PRI is stopped and drained, the queue left, PRI switched off; nothing is left behind', () => {
      const rig = model.create()
      const handler = new KeepingHandler()
      const rid = rig.attachRid(handler)
      const pasid = rig.attachPasid(PASID, handler)
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.run()
      detachDevicePasid(pasid, rig.device, PASID)
      detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
      rig.core.release(rig.device)
      expect([rig.engine.pri.enabled, rig.engine.ats.enabled, rig.engine.pasid.enabled]).toEqual([
        false,
        false,
        false,
      ])
      expect([rig.device.driverData, rig.device.group, rig.device.faultParam]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      handler.answer(1)
      rid.free()
      pasid.free()
      rig.driver.stop()
      expect(rig.frames.inUse).toBe(rig.framesBefore)
      expect(rig.driver.domains.count).toBe(0)
    })

    test('a surprise removal answers what is pending, and requests still in the ring are INVALID', () => {
      const rig = model.create({ interruptNanos: 1_000_000 })
      const handler = new KeepingHandler()
      handler.lazy = true
      rig.attachPasid(PASID, handler)
      rig.submit({ op: 'fill', pasid: PASID, destination: 0x1000n, lengthBytes: 1 })
      rig.runUntilQueued(1)
      rig.core.release(rig.device)
      rig.run()
      expect(rig.driver.queue.pool.groupsInUse).toBe(0)
      expect(rig.engine.outstandingRequests).toBe(0)
    })
  })
}
