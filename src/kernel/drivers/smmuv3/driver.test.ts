// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { NO_PASID, PageRequest } from '../../../hardware/pci/messages.ts'
import { attachGroup, detachGroup, detachGroupHandle, replaceGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachHandleGet, detachDevicePasid } from '../../iommu/attach-pasid.ts'
import { IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import { ALLOC_DIRTY_TRACKING, ALLOC_NEST_PARENT, ALLOC_PASID } from '../../iommu/driver.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { MappingHandler, Rig, type RigOptions } from './rig.suite.ts'
import { EventHandler } from './event-handler.ts'
import { QueueMemory } from './queue-memory.ts'
import { SmmuDevices, smmuDeviceOf } from './smmu-device.ts'

const PAGE = 4096
const PASID = 7
const RW: number = IOMMU_READ | IOMMU_WRITE

function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7) & 255)
}

describe('a stall through unit, driver and core, and back (spec/04 §2.2)', () => {
  test.each([
    ['ranges', {}],
    [
      'no ranges, no HTTU, linear tables',
      {
        rangeInvalidation: false,
        httu: 'none',
        twoLevelStreamTables: false,
        twoLevelContextTables: false,
        substreamIdBits: 6,
      },
    ],
    ['stalls only', { stallModel: 'forced' }],
  ] as [string, RigOptions['unit']][])('a write through a PASID faults every page in: %s', (_name, unit) => {
    const rig = new Rig({ unit: unit! })
    const handler = new MappingHandler(rig.frames)
    handler.domain = rig.attachPasid(PASID, handler)
    const buffer = filled(10 * PAGE + 100)
    const place = { pasid: PASID, lengthBytes: buffer.length }
    const write = rig.submit({ op: 'write', destination: 0x7fff_0000_0123n, buffer, ...place })
    rig.run()
    expect([write.status, handler.faults, write.faultsTaken]).toEqual(['done', 11, 11])
    const back = new Uint8Array(buffer.length)
    const read = rig.submit({ op: 'read', source: 0x7fff_0000_0123n, buffer: back, ...place })
    rig.run()
    expect([read.status, read.faultsTaken]).toEqual(['done', 0])
    expect(back).toEqual(buffer)
    expect([rig.engine.outstandingRequests, rig.unit.stalls.waiting]).toEqual([0, 0])
  })

  test('what the core is told: always last, no NEEDS_PASID, the STAG as group, the address to the byte', () => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    rig.attachPasid(PASID, handler)
    rig.attachRid(handler)
    rig.fill(0x1234n, PASID)
    rig.run()
    rig.submit({ op: 'read', source: 0x5678n, lengthBytes: 1, buffer: new Uint8Array(1) })
    rig.run()
    const told = handler.groups.map(({ last }) => [
      last.flags,
      last.pasid,
      last.grpid,
      last.perm,
      last.addrLo,
    ])
    expect(told).toEqual([
      [3, PASID, 0, 2, 0x1234],
      [2, 0, 1, 1, 0x5678],
    ])
  })

  test.each([
    ['SUCCESS retries', 0, 'running'],
    ['INVALID aborts', 1, 'invalid'],
    ['FAILURE aborts too: the device goes on', 2, 'invalid'],
  ] as const)('%s', (_name, code, status) => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    rig.attachPasid(PASID, handler)
    const fill = rig.fill(0x1000n, PASID)
    rig.run()
    handler.answer(code)
    rig.run()
    expect(fill.status).toBe(status)
    expect(rig.unit.stalls.waiting).toBe(status === 'running' ? 1 : 0)
  })

  test('a domain without handler: the stall is answered at once, and the access aborts', () => {
    const rig = new Rig()
    rig.attachRid()
    const fill = rig.fill(0x1000n)
    rig.run()
    expect([fill.status, rig.unit.stalls.waiting, rig.device.faultParam]).toEqual(['invalid', 0, undefined])
  })

  test('a full event queue loses nothing', () => {
    const rig = new Rig({ driver: { queues: { events: 1 } }, engine: { transfersInFlightMax: 16 } })
    const handler = new MappingHandler(rig.frames)
    handler.domain = rig.attachPasid(PASID, handler)
    const fills = Array.from({ length: 16 }, (_, i) => rig.fill(BigInt(i) << 12n, PASID))
    rig.run()
    expect(fills.every(({ status }) => status === 'done')).toBe(true)
    expect(rig.unit.stalls.delayed).toBeGreaterThan(0)
    expect([handler.faults, rig.driver.events.overflows]).toEqual([16, 0])
  })

  test('a stall of a stream that nobody knows is aborted, and counted', () => {
    const rig = new Rig()
    const { memory, frames, driver } = rig
    const queue = new QueueMemory(memory, frames, 2, 3)
    memory.words.set([0x10, 0x777, 5 | (1 << 31), 0, 0x1000], queue.wordOf(0))
    let cons = 0
    const unit = {
      readRegister: (offset: number): number => (offset === 0x100a8 ? 1 : cons),
      writeRegister: (_offset: number, value: number): void => void (cons = value),
    }
    const events = new EventHandler({ unit, queue, commands: driver.commands, devices: new SmmuDevices() })
    events.service()
    expect([events.bad, events.count, cons]).toEqual([1, 1, 1])
    expect(rig.unit.commands.executed).toBeGreaterThan(0)
  })
})

describe('translation', () => {
  test('unmapped pages are gone from every cache before unmap returns', () => {
    const rig = new Rig()
    const handler = new MappingHandler(rig.frames)
    const domain = rig.attachPasid(PASID, handler)
    handler.domain = domain
    for (const pages of [1, 3, 33, 600]) {
      const at = { pasid: PASID, destination: 0x5000n, lengthBytes: pages * PAGE }
      const fill = rig.submit({ op: 'fill', value: pages, ...at })
      rig.run()
      expect([fill.status, fill.faultsTaken]).toEqual(['done', pages])
      expect(domain.unmap(0, 0x5000, pages)).toBe(pages)
      handler.free()
    }
    expect(rig.driver.commands.unfinishedWaits).toBe(0)
  })

  test('ATS goes on with a domain that translates, and off with one that does not', () => {
    const rig = new Rig({ engine: { ats: { invalidateQueueDepth: 32 } } })
    expect(rig.engine.ats.enabled).toBe(false)
    const domain = rig.attachRid()
    expect(rig.engine.ats.enabled).toBe(true)
    const frame = rig.frames.allocZeroed()
    domain.map(0, 0x1000, frame, 1, RW)
    expect([rig.fill(0x1000n), rig.run()]).toMatchObject([{ status: 'done' }, undefined])
    expect(rig.memory.bytes[frame * PAGE]).toBe(0)
    expect(rig.engine.counters.translationRequests).toBe(1)
    domain.unmap(0, 0x1000, 1)
    const gone = rig.fill(0x1000n)
    rig.run()
    expect(gone.status).toBe('unrecoverable')
    detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
    expect(rig.engine.ats.enabled).toBe(false)
    rig.attachPasid(PASID)
    expect(rig.engine.ats.enabled).toBe(true)
  })

  test('identity passes addresses, with and without PASIDs beside it; blocked refuses them', () => {
    const rig = new Rig()
    const frame = rig.frames.allocZeroed()
    const write = (): string => {
      const fill = rig.fill(BigInt(frame) * 4096n)
      rig.run()
      return fill.status
    }
    expect(write()).toBe('done')
    const domain = rig.attachPasid(PASID)
    expect(write()).toBe('done')
    attachGroup(rig.driver.blockedDomain, rig.device.group!)
    expect(write()).toBe('unrecoverable')
    expect([rig.driver.events.count, rig.driver.events.lastReason]).toEqual([1, 0x06])
    detachDevicePasid(domain, rig.device, PASID)
    expect(write()).toBe('unrecoverable')
    expect(rig.driver.events.count).toBe(1)
  })

  test('stage 2 alone for a nesting parent; no PASID goes beside it', () => {
    const rig = new Rig()
    const parent = rig.paging(undefined, ALLOC_NEST_PARENT)
    attachGroup(parent, rig.device.group!)
    const frame = rig.frames.allocZeroed()
    parent.map(3, 0x1000, frame, 1, RW)
    const fill = rig.submit({ op: 'fill', destination: 0x3_0000_1000n, lengthBytes: 4, value: 9 })
    rig.run()
    expect([fill.status, rig.memory.bytes[frame * PAGE]]).toEqual(['done', 9])
    expect(thrownBy(() => rig.attachPasid(PASID))).toBe(EINVAL)
    parent.unmap(3, 0x1000, 1)
    const gone = rig.fill(0x3_0000_1000n)
    rig.run()
    expect(gone.status).toBe('invalid')
    detachGroup(parent, rig.device.group!)
    rig.attachPasid(PASID)
    expect(thrownBy(() => attachGroup(parent, rig.device.group!))).toBe(EBUSY)
  })

  test('the pages that were written are known, and forgotten once', () => {
    const rig = new Rig()
    const domain = rig.paging(undefined, ALLOC_DIRTY_TRACKING)
    attachGroup(domain, rig.device.group!)
    domain.map(0, 0x1000, rig.frames.allocContiguous(4), 4, RW)
    const dirty = (): number[] => {
      const pages: number[] = []
      const range = { hi: 0, lo: 0x1000, lastHi: 0, lastLo: 0x4fff }
      domain.dirty!.readAndClear(range, false, (_hi, lo) => pages.push(lo >>> 12))
      return pages
    }
    rig.fill(0x2000n)
    rig.run()
    expect([dirty(), dirty()]).toEqual([[2], []])
    rig.fill(0x2000n)
    rig.run()
    expect(dirty()).toEqual([2])
  })
})

function alloc(flags: number, unit: RigOptions['unit'] = {}): unknown {
  return thrownBy(() => new Rig({ unit }).paging(undefined, flags))
}

describe('what domains can be had', () => {
  test('flags that go together with no table are EOPNOTSUPP', () => {
    for (const flags of [
      0,
      ALLOC_PASID,
      ALLOC_DIRTY_TRACKING,
      ALLOC_NEST_PARENT,
      ALLOC_NEST_PARENT | ALLOC_PASID,
    ])
      expect([flags, alloc(flags)]).toEqual([flags, undefined])
    expect(alloc(4)).toBe(EOPNOTSUPP)
    expect(alloc(ALLOC_NEST_PARENT | ALLOC_DIRTY_TRACKING)).toBe(EOPNOTSUPP)
    expect(alloc(ALLOC_NEST_PARENT, { stage2: false })).toBe(EOPNOTSUPP)
    expect(alloc(ALLOC_DIRTY_TRACKING, { httu: 'access' })).toBe(EOPNOTSUPP)
    expect(alloc(ALLOC_PASID, { stage1: false })).toBe(EOPNOTSUPP)
    expect(alloc(0, { stage1: false })).toBe(undefined)
  })

  test('a domain of another unit is EINVAL', () => {
    const [rig, other] = [new Rig(), new Rig()]
    expect(thrownBy(() => rig.driver.attachDevice(other.paging(), rig.device))).toBe(EINVAL)
  })
})

describe('enabling faults (spec/01 §3.4)', () => {
  test('a device that cannot stall attaches, silently without faults; its faults are for the log', () => {
    const rig = new Rig({ driver: { canStall: () => false } })
    const handler = new KeepingHandler()
    rig.attachRid(handler)
    expect([rig.device.faultParam, smmuDeviceOf(rig.device).faultUsers]).toEqual([undefined, 0])
    const fill = rig.fill(0x1000n)
    rig.run()
    expect([fill.status, handler.groups.length]).toEqual(['unrecoverable', 0])
    expect([rig.driver.events.count, rig.driver.events.lastReason]).toEqual([1, 0x10])
  })

  test('a kernel without SVA refuses every handler', () => {
    const rig = new Rig({ driver: { sva: false } })
    expect(thrownBy(() => rig.attachRid(new KeepingHandler()))).toBe(EOPNOTSUPP)
    rig.attachRid()
  })

  test('without a stall model there are no faults either, with a forced one always', () => {
    const none = new Rig({ unit: { stallModel: 'none' } })
    none.attachRid(new KeepingHandler())
    expect(none.device.faultParam).toBe(undefined)
    const forced = new Rig({ unit: { stallModel: 'forced' }, driver: { canStall: () => false } })
    forced.attachRid(new KeepingHandler())
    expect(forced.device.faultParam).toBeDefined()
  })

  test('the first attachment puts the device on the queue, replace keeps it there, the last takes it off', () => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    const { group } = rig.device
    rig.attachRid(handler)
    const param = rig.device.faultParam
    const pasid = rig.attachPasid(PASID, handler)
    replaceGroupHandle(group!, rig.paging(handler), new AttachHandle())
    expect(rig.device.faultParam).toBe(param)
    detachDevicePasid(pasid, rig.device, PASID)
    replaceGroupHandle(group!, rig.paging(), new AttachHandle())
    expect(rig.device.faultParam).toBe(undefined)
  })

  test('no memory leaves everything as it was', () => {
    const rig = new Rig()
    const before = rig.device.group!.domain
    rig.attachPasid(1)
    rig.world.failpoints.failNth(1, 'alloc_fault_param')
    expect(thrownBy(() => rig.attachRid(new KeepingHandler()))).toBe(ENOMEM)
    expect([rig.device.group!.domain, rig.device.faultParam]).toEqual([before, undefined])
    rig.attachRid(new KeepingHandler())
  })

  test('PRI is never switched on: a page request is denied (spec/04 §2.3)', () => {
    const rig = new Rig({
      engine: { ats: { invalidateQueueDepth: 32 }, pri: { capacity: 8, responsePasidRequired: true } },
    })
    expect(rig.engine.pri.enabled).toBe(false)
    const responses: string[] = []
    const stray = { rid: 0x500, invalidateRequest: () => undefined }
    rig.unit.connect({
      ...stray,
      pageGroupResponse: (pasid, grpid, code) => responses.push(`${pasid} ${grpid} ${code}`),
    })
    const request = Object.assign(new PageRequest(), { rid: 0x500, access: 1, last: true })
    rig.unit.pageRequest(Object.assign(request, { pasid: 5, grpid: 3 }))
    rig.unit.pageRequest(Object.assign(request, { pasid: NO_PASID, grpid: 4 }))
    rig.unit.pageRequest(Object.assign(request, { grpid: 5, last: false }))
    rig.run()
    expect(responses).toEqual(['5 3 15', '-1 4 15'])
    expect(rig.driver.pri.bad).toBe(3)
  })
})

describe('drain and removal', () => {
  test('events in the queue reach the old handler before detach returns; later accesses abort', () => {
    const rig = new Rig({ unit: { latencies: { interrupt: 1_000_000 } } })
    const handler = new KeepingHandler()
    const domain = rig.attachPasid(PASID, handler)
    rig.fill(0x1000n, PASID)
    rig.runUntilStalled(1)
    expect(handler.groups).toHaveLength(0)
    detachDevicePasid(domain, rig.device, PASID)
    expect(handler.groups).toHaveLength(1)
    handler.answer(1)
    const late = rig.fill(0x1000n, PASID)
    rig.run()
    expect([late.status, rig.engine.outstandingRequests]).toEqual(['unrecoverable', 0])
    expect(rig.driver.queue.pool.groupsInUse).toBe(0)
  })

  test('a group that the handler keeps survives the detach and is answered after it (T7)', () => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    rig.attachRid(handler)
    const fill = rig.fill(0x1000n)
    rig.run()
    detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
    expect(rig.device.faultParam).toBe(undefined)
    handler.answer(1)
    rig.run()
    expect([fill.status, rig.unit.stalls.waiting]).toEqual(['invalid', 0])
  })

  test('a device that goes leaves nothing: what waits is aborted, memory is back', () => {
    const rig = new Rig()
    const handler = new KeepingHandler()
    const rid = rig.attachRid(handler)
    const pasid = rig.attachPasid(PASID, handler)
    const fill = rig.fill(0x1000n, PASID)
    rig.run()
    detachDevicePasid(pasid, rig.device, PASID)
    detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
    rig.core.release(rig.device)
    rig.run()
    expect([fill.status, rig.unit.stalls.waiting]).toEqual(['invalid', 0])
    handler.answer(1)
    rid.free()
    pasid.free()
    rig.end()
    expect([rig.frames.inUse, rig.driver.domains.count]).toEqual([rig.framesBefore, 0])
  })

  test('a surprise removal answers what is pending', () => {
    const rig = new Rig({ unit: { latencies: { interrupt: 1_000_000 } } })
    const handler = new KeepingHandler()
    handler.lazy = true
    rig.attachPasid(PASID, handler)
    rig.fill(0x1000n, PASID)
    rig.runUntilStalled(1)
    rig.core.release(rig.device)
    rig.run()
    expect([rig.driver.queue.pool.groupsInUse, rig.engine.outstandingRequests]).toEqual([0, 0])
  })

  test('a command that the unit does not know is skipped', () => {
    const rig = new Rig()
    rig.driver.commands.put(0xff, 0, 0, 0)
    rig.driver.commands.sync()
    expect(rig.driver.commands.unfinishedWaits).toBe(1)
    rig.run()
    rig.driver.commands.sync()
    expect([rig.driver.commands.errors, rig.driver.commands.lastError]).toEqual([1, 1])
    expect(rig.driver.commands.unfinishedWaits).toBe(1)
  })
})
