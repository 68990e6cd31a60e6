// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL, ENODEV, ENOSPC, EOPNOTSUPP } from '../../../base/errno.ts'
import type { VtdOptions } from '../../../hardware/iommus/vtd/config.ts'
import { attachGroup } from '../../iommu/attach.ts'
import { DOMAIN_UNMANAGED, Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import { ALLOC_DIRTY_TRACKING, ALLOC_NEST_PARENT, ALLOC_PASID } from '../../iommu/driver.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { Rig } from './rig.suite.ts'
import { VtdDomain } from './vtd-domain.ts'
import { vtdDeviceOf } from './vtd-device.ts'

const PAGE = 4096

/** PGTT of the entry that the domain is written as: 1 first stage, 2 second, 4 pass-through. */
function kind(domain: Domain): number {
  return domain instanceof VtdDomain ? (domain.flags >> 6) & 7 : -1
}

function alloc(unit: VtdOptions, flags: number): Domain {
  return new Rig({ unit }).driver.domainAllocPaging(undefined, { flags })
}

/** Of the addresses of a new domain, in bits. */
function widthOf({ driver }: Rig, flags: number): number {
  return Math.log2(driver.domainAllocPaging(undefined, { flags }).lastPage + 1) + 12
}

/** Low 12 bits of the first device's context entry. */
function contextFlags(rig: Rig): number {
  return rig.memory.words[vtdDeviceOf(rig.device).contextAt]! & 0xfff
}

describe('which stage a domain is', () => {
  test.each([
    ['plain: the first', {}, 0, 1],
    ['for PASIDs: the first', {}, ALLOC_PASID, 1],
    ['with dirty tracking: the second', {}, ALLOC_DIRTY_TRACKING, 2],
    ['a nesting parent: the second', {}, ALLOC_NEST_PARENT | ALLOC_PASID, 2],
    ['of a unit without a first stage: the second', { firstStage: false, nested: false }, 0, 2],
  ])('%s', (_what, unit, flags, pgtt) => {
    expect(kind(alloc(unit, flags))).toBe(pgtt)
  })

  test.each([
    ['unknown flags', {}, 4],
    ['PASIDs of a unit without', { pasidBits: 0 }, ALLOC_PASID],
    ['dirty tracking of a unit without', { dirty: false }, ALLOC_DIRTY_TRACKING],
    ['nesting of a unit without', { nested: false }, ALLOC_NEST_PARENT],
    ['dirty tracking without a second stage', { secondStage: false, nested: false }, ALLOC_DIRTY_TRACKING],
  ])('%s: EOPNOTSUPP', (_what, unit, flags) => {
    expect(thrownBy(() => alloc(unit, flags))).toBe(EOPNOTSUPP)
  })

  test('apertures and page sizes', () => {
    const rig = new Rig()
    const wide = new Rig({ driver: { fiveLevel: true } })
    expect([
      widthOf(rig, 0),
      widthOf(rig, ALLOC_NEST_PARENT),
      widthOf(wide, 0),
      widthOf(wide, ALLOC_NEST_PARENT),
    ]).toEqual([47, 48, 56, 57])
    expect(rig.driver.domainAllocPaging(undefined, { flags: 0 }).pageSizesLo).toBe(0x40201000)
  })

  test('domain ids run out: ENOSPC, and come back', () => {
    const rig = new Rig({ unit: { domainIdBits: 4 } })
    const domains: Domain[] = []
    for (let i = 2; i < 16; i++) domains.push(rig.driver.domainAllocPaging(undefined, { flags: 0 }))
    expect(thrownBy(() => rig.driver.domainAllocPaging(undefined, { flags: 0 }))).toBe(ENOSPC)
    domains[3]!.free()
    rig.driver.domainAllocPaging(undefined, { flags: 0 })
    expect(rig.driver.domains.count).toBe(14)
  })
})

describe('attachments', () => {
  test('second-stage domains translate and fault as first-stage ones do', () => {
    for (const flags of [0, ALLOC_NEST_PARENT]) {
      const rig = new Rig({ engine: { ats: undefined, pri: undefined } })
      const domain = rig.driver.domainAllocPaging(rig.device, { flags })
      attachGroup(domain, rig.device.group!)
      const frame = rig.frames.allocZeroed()
      domain.map(0, 0x1000, frame, 1, IOMMU_READ | IOMMU_WRITE)
      const fill = (): string => {
        const transfer = rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 8, value: 7 })
        rig.run()
        return transfer.status
      }
      expect([fill(), rig.memory.bytes[frame * PAGE], domain.iovaToFrame(0, 0x1234)]).toEqual([
        'done',
        7,
        frame,
      ])
      domain.unmap(0, 0x1000, 1)
      expect([fill(), rig.driver.faultLog.count]).toEqual(['unrecoverable', 1])
      // The first stage says 71h, the second 79h.
      expect(rig.driver.faultLog.lastReason).toBe(flags === 0 ? 0x71 : 0x79)
    }
  })

  test('identity passes addresses, blocked has no entry: 59h', () => {
    const rig = new Rig({ engine: { ats: undefined, pri: undefined } })
    const frame = rig.frames.allocZeroed()
    const destination = BigInt(frame) * 4096n
    const passed = rig.submit({ op: 'fill', destination, lengthBytes: 16, value: 9 })
    rig.run()
    expect([passed.status, rig.memory.bytes[frame * PAGE]]).toEqual(['done', 9])
    attachGroup(rig.driver.blockedDomain, rig.device.group!)
    const refused = rig.submit({ op: 'fill', destination, lengthBytes: 16 })
    rig.run()
    expect([refused.status, rig.driver.faultLog.lastReason]).toEqual(['unrecoverable', 0x59])
  })

  test('a domain of another kind or unit is EINVAL; PASIDs that are off EOPNOTSUPP', () => {
    const rig = new Rig({ engine: { pasid: undefined } })
    const other = new Rig()
    const foreign = new Domain({ type: DOMAIN_UNMANAGED, owner: rig.driver })
    expect(thrownBy(() => attachGroup(foreign, rig.device.group!))).toBe(EINVAL)
    const theirs = other.driver.domainAllocPaging(undefined, { flags: 0 })
    expect(thrownBy(() => rig.driver.attachDevice(theirs, rig.device))).toBe(EINVAL)
    const own = rig.driver.domainAllocPaging(rig.device, { flags: 0 })
    expect(thrownBy(() => rig.driver.setDevicePasid(own, rig.device, 1))).toBe(EOPNOTSUPP)
  })

  test('a default domain of pages, and a blocked one', () => {
    const paging = new Rig({ driver: { defaultDomain: 'paging' } })
    expect(kind(paging.device.group!.domain!)).toBe(1)
    const blocked = new Rig({ driver: { defaultDomain: 'blocked' } })
    expect(blocked.device.group!.domain).toBe(blocked.driver.blockedDomain)
  })
})

describe('the context entry (spec/04 §1.6)', () => {
  test('P, DTE, PASIDE, PRE from what device and unit support; PDTS from the number of PASIDs', () => {
    expect(contextFlags(new Rig())).toBe(0xe1d)
    expect(contextFlags(new Rig({ unit: { pasidBits: 10 } }))).toBe(0x1d)
    expect(contextFlags(new Rig({ unit: { pasidBits: 14 } }))).toBe(0x21d)
    expect(contextFlags(new Rig({ engine: { pri: undefined } }))).toBe(0xe0d)
    expect(contextFlags(new Rig({ engine: { pri: undefined, ats: undefined } }))).toBe(0xe09)
    expect(contextFlags(new Rig({ unit: { pasidBits: 0 } }))).toBe(0x15)
  })

  test('is set, not from what is on: PRE without PRI', () => {
    const rig = new Rig({ engine: { pri: { capacity: 8, responsePasidRequired: false } } })
    expect([contextFlags(rig) & 0x10, rig.engine.pri.enabled]).toEqual([0x10, false])
  })

  test('goes with the device', () => {
    const rig = new Rig()
    const { contextAt } = vtdDeviceOf(rig.device)
    rig.core.release(rig.device)
    expect(rig.memory.words[contextAt]).toBe(0)
  })
})

describe('hardware information', () => {
  test('CAP and ECAP as they are; another type is EOPNOTSUPP', () => {
    const rig = new Rig()
    for (const type of [0, 1]) {
      const { type: given, data } = rig.driver.hwInfo(rig.device, type)
      const view = new DataView(data.buffer)
      const words = [0, 4, 8, 12, 16, 20].map((offset) => view.getUint32(offset, true))
      const registers = [0x08, 0x0c, 0x10, 0x14].map((register) => rig.unit.readRegister(register) >>> 0)
      expect([given, words]).toEqual([1, [0, 0, ...registers]])
    }
    expect(thrownBy(() => rig.driver.hwInfo(rig.device, 2))).toBe(EOPNOTSUPP)
  })

  test.each([
    ['cache coherency', 0, true],
    ['no-execute', 1, false],
    ['enforced coherency: there is no snoop control', 3, false],
    ['deferred flush', 4, true],
    ['dirty tracking', 5, true],
    ['ATS', 6, true],
  ])('%s', (_what, capability, answer) => {
    const rig = new Rig()
    expect(rig.driver.capable(rig.device, capability)).toBe(answer)
  })
})

describe('unrecoverable faults (spec/04 §1.7)', () => {
  test('a handler that wants to hear of them does; no other is told', () => {
    const rig = new Rig({ engine: { pri: undefined, ats: undefined } })
    const domain = rig.attachRid()
    const seen: number[][] = []
    domain.legacyHandler = (): number => seen.push([-1])
    domain.cookieType = 3
    rig.submit({ op: 'fill', destination: 0x9000n, lengthBytes: 16 })
    rig.run()
    expect([seen, rig.driver.faultLog.count]).toEqual([[], 1])
    Object.assign(domain, {
      iopfHandler: {
        handle: () => false,
        unrecoverable: (event: { addrLo: number; perm: number; reason: number; pasid: number }) =>
          seen.push([event.addrLo, event.perm, event.reason, event.pasid]),
      },
    })
    rig.submit({ op: 'fill', destination: 0x9000n, lengthBytes: 16 })
    rig.submit({ op: 'read', source: 0xa000n, lengthBytes: 1, buffer: new Uint8Array(1) })
    rig.run()
    expect(seen).toEqual([
      [0x9000, 2, 0x71, -1],
      [0xa000, 1, 0x71, -1],
    ])
  })

  test('an overflow of the recording registers is counted and cleared', () => {
    const options = { faultRecords: 2, latencies: { interrupt: 1_000_000 } }
    const rig = new Rig({ engine: { pri: undefined, ats: undefined }, unit: options })
    rig.attachRid()
    for (let i = 0; i < 5; i++) rig.submit({ op: 'fill', destination: BigInt(i) * 4096n, lengthBytes: 1 })
    rig.run()
    const { count, overflows } = rig.driver.faultLog
    expect([count, overflows, rig.unit.readRegister(0x34) & 3]).toEqual([2, 1, 0])
    rig.submit({ op: 'fill', destination: 0n, lengthBytes: 1 })
    rig.run()
    expect(rig.driver.faultLog.count).toBe(3)
  })

  test('a device TLB that does not answer in time: ITE is cleared, and the queue goes on', () => {
    const rig = new Rig({ engines: 0, unit: { latencies: { invalidationTimeout: 1000 } } })
    const fake = rig.plugFake(0x500)
    const domain = rig.attachPasid(1, undefined, fake.device)
    domain.map(0, 0x1000, 40, 2, IOMMU_READ)
    Object.assign(fake, { invalidateRequest: (): void => {} })
    domain.unmap(0, 0x1000, 1)
    expect(rig.driver.commands.unfinishedWaits).toBe(1)
    rig.run()
    expect([rig.driver.faultLog.timeouts, rig.unit.readRegister(0x34)]).toEqual([1, 0])
    Reflect.deleteProperty(fake, 'invalidateRequest')
    domain.unmap(0, 0x2000, 1)
    expect(rig.driver.commands.unfinishedWaits).toBe(1)
  })

  test('a domain with a handler on a device without PRI is ENODEV, whichever stage', () => {
    const rig = new Rig({ engine: { pri: undefined } })
    const iopfHandler = { handle: (): boolean => false }
    for (const flags of [0, ALLOC_NEST_PARENT]) {
      const domain = rig.driver.domainAllocPaging(rig.device, { flags, iopfHandler })
      expect(thrownBy(() => attachGroup(domain, rig.device.group!))).toBe(ENODEV)
    }
  })
})
