// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL, ENODEV, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { attachGroup, attachGroupHandle, detachGroupHandle, replaceGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachDevicePasid, attachHandleGet, detachDevicePasid } from '../../iommu/attach-pasid.ts'
import { DOMAIN_UNMANAGED, Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import { ALLOC_NEST_PARENT, ALLOC_PASID, CAP_CACHE_COHERENCY } from '../../iommu/driver.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { NESTED_DATA_SIMPLE } from './nested-domain.ts'
import { MappingHandler, Rig, unmapPages } from './rig.suite.ts'
import { simpleDeviceOf } from './simple-device.ts'

const PAGE = 4096
const PASID = 7

function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7) & 255)
}

/** A table entry at guest page `page` of the guest that starts at 0x1000000000. */
function pointer(page: number): [number, number] {
  return [(page << 12) | 7, 0x10]
}

describe('a fault through unit, driver and core, and back', () => {
  test('a write through a PASID faults every page in, and the bytes are there', () => {
    const rig = new Rig({ engine: { groupPages: 4 } })
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
    const rig = new Rig()
    const handler = new MappingHandler(rig.frames)
    handler.domain = rig.attachRid(handler)
    const fill = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: PAGE, value: 5 })
    rig.run()
    expect([fill.status, handler.groups]).toEqual(['done', 1])
    expect(rig.memory.bytes[handler.frames[0]! * PAGE]).toBe(5)
  })

  test('what the core is told: all flags of a last request with PASID are 7 (spec/04 §1.3)', () => {
    const rig = new Rig()
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

  test('codes on the wire: INVALID ends the transfer, FAILURE switches the PRI of the device off', () => {
    const rig = new Rig()
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
    const rig = new Rig({ engines: 2 })
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
    const rig = new Rig({
      unit: { privateData: true },
      engine: { privateData: true },
      driver: { policy: { privateData: true } },
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

describe('map and unmap', () => {
  test('an unmapped page faults again: IOTLB and the device cache forgot it before unmap returned', () => {
    const rig = new Rig()
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
    const rig = new Rig()
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
    const rig = new Rig()
    const domain = rig.attachRid()
    domain.map(0, 0x1000, 40, 1, IOMMU_READ)
    expect(domain.iovaToFrame(0, 0x1fff)).toBe(40)
    expect(thrownBy(() => domain.map(0, 0, 50, 2, IOMMU_READ))).toHaveProperty('code', 'EADDRINUSE')
    expect(domain.iovaToFrame(0, 0)).toBe(-1)
    expect(thrownBy(() => domain.map(0x8000, 0, 40, 1, IOMMU_READ))).toHaveProperty('code', 'ERANGE')
  })

  test('a read-only page is refused for writing and asked for with PRI', () => {
    const rig = new Rig()
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

describe('enabling faults (spec/01 §3.4)', () => {
  test('without PRI a domain with a handler is ENODEV; one without a handler attaches', () => {
    const rig = new Rig({ engine: { pri: undefined } })
    const handler = new KeepingHandler()
    expect(thrownBy(() => rig.attachPasid(PASID, handler))).toBe(ENODEV)
    expect(thrownBy(() => rig.attachRid(handler))).toBe(ENODEV)
    rig.attachPasid(PASID)
    expect(rig.device.faultParam).toBe(undefined)
  })

  test('the first attachment puts the device on the queue, the last takes it off', () => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    const one = rig.attachPasid(1, handler)
    const two = rig.attachPasid(2, handler)
    expect(simpleDeviceOf(rig.device).faultUsers).toBe(2)
    detachDevicePasid(one, rig.device, 1)
    expect(rig.device.faultParam).toBeDefined()
    detachDevicePasid(two, rig.device, 2)
    expect(rig.device.faultParam).toBe(undefined)
  })

  test('replace enables the new domain first and disables the old one then', () => {
    const rig = new Rig()
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
    const rig = new Rig()
    const handler = new KeepingHandler()
    const before = rig.device.group!.domain
    rig.world.failpoints.failNth(1, 'alloc_fault_param')
    expect(thrownBy(() => rig.attachRid(handler))).toBe(ENOMEM)
    expect([rig.device.group!.domain, rig.device.faultParam]).toEqual([before, undefined])
    rig.attachRid(handler)
  })

  test('probe switches PASID, ATS and PRI on with the smaller number of PASIDs', () => {
    const rig = new Rig({ unit: { pasidBits: 8 } })
    expect([rig.engine.pasid.enabled, rig.engine.ats.enabled, rig.engine.pri.enabled]).toEqual([
      true,
      true,
      true,
    ])
    expect(rig.device.maxPasids).toBe(256)
    expect(thrownBy(() => rig.attachPasid(256))).toBe(EINVAL)
    rig.attachPasid(255)
    const plain = new Rig({ unit: { pasidBits: 0, ats: false } })
    expect([plain.engine.pasid.enabled, plain.engine.ats.enabled, plain.engine.pri.enabled]).toEqual([
      false,
      false,
      false,
    ])
    expect(plain.device.maxPasids).toBe(0)
  })

  test('the allocation of page requests is what the driver gives, up to the capacity', () => {
    const few = new Rig({ driver: { priRequests: 8 } })
    const many = new Rig({ engine: { pri: { capacity: 16, responsePasidRequired: true } } })
    expect([few.engine.pri.allocation, many.engine.pri.allocation]).toEqual([8, 16])
  })
})

describe('drain before a domain goes (spec/04 §1.5)', () => {
  test('requests in the ring reach the old handler before detach returns; later ones are answered INVALID', () => {
    const rig = new Rig({ unit: { latencies: { interrupt: 1_000_000 } } })
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
    const rig = new Rig({ unit: { latencies: { interrupt: 1_000_000 } } })
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
    const rig = new Rig()
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

describe('removal of a device (spec/01 §3.1)', () => {
  test('PRI is stopped and drained, the queue left, PRI switched off; nothing is left behind', () => {
    const rig = new Rig()
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
    const rig = new Rig({ unit: { latencies: { interrupt: 1_000_000 } } })
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

describe('domains', () => {
  test('flags and data that the unit does not know are EOPNOTSUPP or EINVAL', () => {
    const rig = new Rig()
    const alloc = (flags: number) => (): void => void rig.driver.domainAllocPaging(undefined, { flags })
    expect(thrownBy(alloc(2))).toBe(EOPNOTSUPP)
    expect(thrownBy(alloc(0x10))).toBe(EOPNOTSUPP)
    const parent = rig.driver.domainAllocPaging(undefined, { flags: ALLOC_NEST_PARENT | ALLOC_PASID })
    const plain = rig.driver.domainAllocPaging(undefined, { flags: 0 })
    const data = new Uint8Array(16)
    data[8] = 1
    const nest =
      (on: Domain, dataType: number, bytes: Uint8Array, flags = 0) =>
      (): void =>
        void rig.driver.domainAllocNested(rig.device, on, { flags, dataType, data: bytes })
    expect(thrownBy(nest(parent, 1, data))).toBe(EOPNOTSUPP)
    expect(thrownBy(nest(parent, NESTED_DATA_SIMPLE, data, 2))).toBe(EOPNOTSUPP)
    expect(thrownBy(nest(plain, NESTED_DATA_SIMPLE, data))).toBe(EINVAL)
    expect(thrownBy(nest(parent, NESTED_DATA_SIMPLE, new Uint8Array(8)))).toBe(EINVAL)
    expect(thrownBy(nest(parent, NESTED_DATA_SIMPLE, Uint8Array.of(1, ...data.slice(1))))).toBe(EINVAL)
    expect(thrownBy(nest(parent, NESTED_DATA_SIMPLE, data))).toBe(undefined)
    const poor = new Rig({ unit: { nested: false, formats: [0] } })
    const poorAlloc = (flags: number) => (): void => void poor.driver.domainAllocPaging(undefined, { flags })
    expect(thrownBy(poorAlloc(ALLOC_NEST_PARENT))).toBe(EOPNOTSUPP)
    expect(thrownBy(poorAlloc(0))).toBe(EOPNOTSUPP)
  })

  test('a domain of another kind or unit is EINVAL', () => {
    const rig = new Rig()
    const other = new Rig()
    const foreign = new Domain({ type: DOMAIN_UNMANAGED, owner: rig.driver })
    expect(thrownBy(() => attachGroup(foreign, rig.device.group!))).toBe(EINVAL)
    const theirs = other.driver.domainAllocPaging(undefined, { flags: 0 })
    expect(thrownBy(() => rig.driver.attachDevice(theirs, rig.device))).toBe(EINVAL)
  })

  test('identity passes addresses, blocked refuses them and is recorded as unrecoverable', () => {
    const rig = new Rig({ engine: { ats: undefined, pri: undefined } })
    const frame = rig.frames.allocZeroed()
    const destination = BigInt(frame) * 4096n
    const passed = rig.submit({ op: 'fill', destination, lengthBytes: 16, value: 9 })
    rig.run()
    expect([passed.status, rig.memory.bytes[frame * PAGE]]).toEqual(['done', 9])
    attachGroup(rig.driver.blockedDomain, rig.device.group!)
    const refused = rig.submit({ op: 'fill', destination, lengthBytes: 16 })
    rig.run()
    expect(refused.status).toBe('unrecoverable')
    expect(rig.driver.faultLog.count).toBe(1)
  })

  test('the handler of a domain hears of unrecoverable faults where it wants to (spec/00 0.5)', () => {
    const rig = new Rig({ engine: { pri: undefined, ats: undefined } })
    const domain = rig.attachRid()
    const seen: number[] = []
    Object.assign(domain, {
      iopfHandler: {
        handle: () => false,
        unrecoverable: (event: { addrLo: number; perm: number }) => seen.push(event.addrLo, event.perm & 3),
      },
    })
    rig.submit({ op: 'fill', destination: 0x9000n, lengthBytes: 16 })
    rig.run()
    expect(seen).toEqual([0x9000, 2])
  })

  test('stage 1 of a user on a stage 2 of the kernel translates twice, and its faults go to its handler', () => {
    const rig = new Rig()
    const parent = rig.driver.domainAllocPaging(rig.device, { flags: ALLOC_NEST_PARENT })
    const guest = rig.frames.allocContiguous(8)
    parent.map(0x10, 0, guest, 8, IOMMU_READ | IOMMU_WRITE)
    const { words } = rig.memory
    const table = (level: number): number => (guest + level) * 1024
    for (let level = 0; level < 3; level++) words.set(pointer(level + 1), table(level))
    words.set(pointer(4), table(3) + 2)
    const data = new Uint8Array(16)
    new DataView(data.buffer).setUint32(4, 0x10, true)
    data[8] = 1
    const handler = new KeepingHandler()
    const options = { flags: 0, dataType: NESTED_DATA_SIMPLE, data, iopfHandler: handler }
    const nested = rig.driver.domainAllocNested(rig.device, parent, options)
    attachGroupHandle(nested, rig.device.group!, new AttachHandle())
    const fill = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 8, value: 3 })
    rig.submit({ op: 'fill', destination: 0x2000n, lengthBytes: 8 })
    rig.run()
    expect([fill.status, rig.memory.bytes[(guest + 4) * PAGE]]).toEqual(['done', 3])
    expect(handler.groups[0]!.last.addrLo).toBe(0x2000)
    handler.answer(1)
    parent.unmap(0x10, 0x4000, 1)
    const again = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 8 })
    rig.run()
    expect([again.status, handler.groups.length]).toEqual(['running', 1])
    handler.answer(1)
    detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
    nested.free()
    parent.free()
  })

  test('a foreign handle stays: attachments of PASIDs keep their domains apart', () => {
    const rig = new Rig()
    const handlers = [1, 2, 3].map((pasid) => {
      const handler = new MappingHandler(rig.frames)
      handler.domain = rig.attachPasid(pasid, handler)
      return handler
    })
    for (const pasid of [1, 2, 3]) {
      rig.submit({ op: 'fill', pasid, destination: 0x1000n, lengthBytes: 1, value: pasid })
    }
    rig.run()
    const bytes = handlers.map(({ frames }) => rig.memory.bytes[frames[0]! * PAGE])
    expect(bytes).toEqual([1, 2, 3])
  })

  test('capabilities and PASIDs that are off', () => {
    const rig = new Rig({ engine: { pasid: undefined } })
    expect(rig.driver.capable(rig.device, CAP_CACHE_COHERENCY)).toBe(true)
    expect(rig.driver.capable(rig.device, 6)).toBe(true)
    expect(rig.driver.capable(rig.device, 5)).toBe(false)
    const domain = rig.driver.domainAllocPaging(rig.device, { flags: 0 })
    expect(thrownBy(() => rig.driver.setDevicePasid(domain, rig.device, 1))).toBe(EOPNOTSUPP)
    attachDevicePasid(domain, rig.device, 1, undefined)
  })
})
