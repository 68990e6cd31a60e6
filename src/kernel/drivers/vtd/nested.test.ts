// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL, ENODEV, EOPNOTSUPP } from '../../../base/errno.ts'
import { attachGroup, attachGroupHandle, detachGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachDevicePasid, attachHandleGet } from '../../iommu/attach-pasid.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import { ALLOC_DIRTY_TRACKING, ALLOC_NEST_PARENT, ALLOC_PASID } from '../../iommu/driver.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import type { UserArray } from '../../iommu/user-data.ts'
import { userDataOf } from '../../iommu/user-data.suite.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { Rig, type RigOptions } from './rig.suite.ts'

const PAGE = 4096
/** Guest memory begins here: 16 frames, the first 4 of them the tables of one guest address space. */
const GUEST_HI = 0x10

/** struct iommu_hwpt_vtd_s1 (spec/03 §3). */
function vtdS1(
  options: { flags?: number; width?: number; table?: bigint; reserved?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(options.flags ?? 0), true)
  view.setBigUint64(8, options.table ?? 0x10_0000_0000n, true)
  view.setUint32(16, options.width ?? 48, true)
  view.setUint32(20, options.reserved ?? 0, true)
  return bytes
}

interface Guest {
  readonly rig: Rig
  readonly parent: Domain
  readonly frame: number
  /** Guest virtual page `index` becomes guest page `page`. */
  readonly setEntry: (index: number, page: number) => void
  readonly alloc: (data?: Uint8Array, handler?: KeepingHandler) => Domain
}

function guest(options: RigOptions = {}, flags = ALLOC_NEST_PARENT): Guest {
  const rig = new Rig(options)
  const parent = rig.driver.domainAllocPaging(rig.device, { flags })
  const frame = rig.frames.allocContiguous(16)
  parent.map(GUEST_HI, 0, frame, 16, IOMMU_READ | IOMMU_WRITE)
  const { words } = rig.memory
  const write = (at: number, page: number): void => words.set([(page << 12) | 7, GUEST_HI], at)
  for (let level = 0; level < 3; level++) write((frame + level) * 1024, level + 1)
  return {
    rig,
    parent,
    frame,
    setEntry: (index, page) => write((frame + 3) * 1024 + 2 * index, page),
    alloc: (data = vtdS1(), handler) =>
      rig.driver.domainAllocNested(rig.device, parent, {
        flags: 0,
        userData: userDataOf(1, data),
        iopfHandler: handler,
      }),
  }
}

/** One request of a user's array of invalidations. */
function invalidate(domain: Domain, address: bigint, pages: bigint, flags = 0, type = 0): UserArray {
  const array: UserArray = {
    type,
    entryBytes: 24,
    entryCount: 1,
    handled: 1,
    copyEntry: () => {
      const bytes = new Uint8Array(24)
      const view = new DataView(bytes.buffer)
      view.setBigUint64(0, address, true)
      view.setBigUint64(8, pages, true)
      view.setUint32(16, flags, true)
      return bytes
    },
    copyAll: () => new Uint8Array(0),
  }
  domain.invalidateUser!(array)
  return array
}

function fill(rig: Rig, destination: bigint, value: number, pasid?: number): string {
  const place = pasid === undefined ? {} : { pasid }
  const transfer = rig.submit({ op: 'fill', destination, lengthBytes: 8, value, ...place })
  rig.run()
  return transfer.status
}

describe('allocation of a nested domain (spec/04 §1.6)', () => {
  test('flags other than PASID and another type are EOPNOTSUPP, a parent of another kind EINVAL', () => {
    const { rig, parent } = guest()
    const plain = rig.driver.domainAllocPaging(rig.device, { flags: 0 })
    const dirty = rig.driver.domainAllocPaging(rig.device, { flags: ALLOC_DIRTY_TRACKING })
    const alloc =
      (on: Domain, type: number, flags: number, data = vtdS1()): (() => void) =>
      () =>
        void rig.driver.domainAllocNested(rig.device, on, { flags, userData: userDataOf(type, data) })
    expect(thrownBy(alloc(parent, 2, 0))).toBe(EOPNOTSUPP)
    expect(thrownBy(alloc(parent, 1, ALLOC_NEST_PARENT))).toBe(EOPNOTSUPP)
    expect(thrownBy(alloc(plain, 1, 0))).toBe(EINVAL)
    expect(thrownBy(alloc(dirty, 1, 0))).toBe(EINVAL)
    expect(thrownBy(alloc(parent, 1, 0, new Uint8Array(16)))).toBe(EINVAL)
    expect(thrownBy(alloc(parent, 1, ALLOC_PASID, vtdS1({ reserved: 1 })))).toBe(undefined)
  })

  test('of a unit without nesting is EOPNOTSUPP', () => {
    const rig = new Rig({ unit: { nested: false } })
    const parent = rig.driver.domainAllocPaging(rig.device, { flags: ALLOC_DIRTY_TRACKING })
    const options = { flags: 0, userData: userDataOf(1, vtdS1()) }
    expect(thrownBy(() => rig.driver.domainAllocNested(rig.device, parent, options))).toBe(EOPNOTSUPP)
  })
})

describe('attaching a nested domain (spec/04 §1.6)', () => {
  test.each([
    ['48 bits', {}, vtdS1(), undefined],
    ['57 bits', {}, vtdS1({ width: 57 }), undefined],
    ['57 bits of a unit without', { fiveLevel: false }, vtdS1({ width: 57 }), EINVAL],
    ['another width', {}, vtdS1({ width: 39 }), EINVAL],
    ['SRE', {}, vtdS1({ flags: 1 }), undefined],
    ['SRE of a unit without', { supervisorRequests: false }, vtdS1({ flags: 1 }), EINVAL],
    ['EAFE, which no unit here has', {}, vtdS1({ flags: 2 }), EINVAL],
    ['WPE', {}, vtdS1({ flags: 4 }), undefined],
    ['flags that nobody knows', {}, vtdS1({ flags: 8 }), undefined],
  ])('%s', (_what, unit, data, error) => {
    const { rig, alloc } = guest({ unit })
    const nested = alloc(data)
    const before = rig.device.group!.domain
    expect(thrownBy(() => attachGroup(nested, rig.device.group!))).toBe(error)
    if (error !== undefined)
      expect([rig.device.group!.domain, rig.device.faultParam]).toEqual([before, undefined])
  })

  test('with a fault handler: without PRI ENODEV; a data error takes the device off the queue again', () => {
    const plain = guest({ engine: { pri: undefined } })
    const handler = new KeepingHandler()
    const group = plain.rig.device.group!
    expect(thrownBy(() => attachGroup(plain.alloc(vtdS1({ width: 1 }), handler), group))).toBe(ENODEV)
    const { rig, alloc } = guest()
    const bad = alloc(vtdS1({ width: 1 }), handler)
    expect(thrownBy(() => attachGroup(bad, rig.device.group!))).toBe(EINVAL)
    expect(rig.device.faultParam).toBe(undefined)
  })
})

describe('nested translation', () => {
  test('a user’s table on a second stage of the kernel translates twice; its faults go to its handler', () => {
    const { rig, parent, frame, setEntry, alloc } = guest()
    setEntry(1, 4)
    const handler = new KeepingHandler()
    const nested = alloc(vtdS1(), handler)
    attachGroupHandle(nested, rig.device.group!, new AttachHandle())
    expect([fill(rig, 0x1000n, 3), rig.memory.bytes[(frame + 4) * PAGE]]).toEqual(['done', 3])
    expect(fill(rig, 0x2000n, 3)).toBe('running')
    expect(handler.groups[0]!.last.addrLo).toBe(0x2000)
    handler.answer(1)
    // What the parent loses, the nested one loses too: IOTLB and device TLB.
    parent.unmap(GUEST_HI, 0x4000, 1)
    expect([fill(rig, 0x1000n, 4), handler.groups.length]).toEqual(['running', 1])
    handler.answer(1)
    detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
    nested.free()
    parent.free()
    expect(rig.driver.domains.count).toBe(0)
  })

  test('a PASID beside the device’s own traffic', () => {
    const { rig, frame, setEntry, alloc } = guest()
    setEntry(1, 5)
    attachDevicePasid(alloc(), rig.device, 9, new AttachHandle())
    expect([fill(rig, 0x1000n, 6, 9), rig.memory.bytes[(frame + 5) * PAGE]]).toEqual(['done', 6])
  })

  test('a changed entry is seen after the user’s invalidation, not before', () => {
    const { rig, frame, setEntry, alloc } = guest()
    const nested = alloc()
    setEntry(1, 5)
    attachGroup(nested, rig.device.group!)
    const target = (): number => {
      rig.memory.bytes.fill(0, (frame + 5) * PAGE, (frame + 16) * PAGE)
      fill(rig, 0x1000n, 1)
      return [5, 6, 7, 8, 9].find((page) => rig.memory.bytes[(frame + page) * PAGE] === 1) ?? -1
    }
    expect(target()).toBe(5)
    setEntry(1, 6)
    expect(target()).toBe(5)
    expect(invalidate(nested, 0x1000n, 1n).handled).toBe(1)
    expect(target()).toBe(6)
    setEntry(1, 7)
    invalidate(nested, 0x2000n, 1n)
    expect(target()).toBe(6)
    invalidate(nested, 0n, 2n ** 64n - 1n)
    expect(target()).toBe(7)
    setEntry(1, 8)
    invalidate(nested, 0n, 1000n, 1)
    expect(target()).toBe(8)
    setEntry(1, 9)
    invalidate(nested, 0x1000n, 2n ** 60n)
    expect(target()).toBe(9)
  })

  test('malformed invalidations: type and address EINVAL, flags and reserved EOPNOTSUPP, none done', () => {
    const { rig, alloc } = guest()
    const nested = alloc()
    attachGroup(nested, rig.device.group!)
    expect(thrownBy(() => invalidate(nested, 0n, 1n, 0, 1))).toBe(EINVAL)
    expect(thrownBy(() => invalidate(nested, 0x1001n, 1n))).toBe(EINVAL)
    expect(thrownBy(() => invalidate(nested, 0x1000n, 2n ** 64n - 1n))).toBe(EINVAL)
    expect(thrownBy(() => invalidate(nested, 0x1000n, 1n, 2))).toBe(EOPNOTSUPP)
    expect(invalidate(nested, 0x1000n, 0n).handled).toBe(1)
  })
})

describe('dirty tracking of the second stage', () => {
  const range = { hi: GUEST_HI, lo: 0, lastHi: GUEST_HI, lastLo: 0xffff }

  function dirty(domain: Domain, noClear = false): number[] {
    const pages: number[] = []
    domain.dirty!.readAndClear(range, noClear, (_hi, lo) => pages.push(lo >>> 12))
    return pages
  }

  test('SSADE is set while it is on; reading while it is off is EINVAL, forgetting is not', () => {
    const { rig, parent } = guest({}, ALLOC_DIRTY_TRACKING)
    attachGroup(parent, rig.device.group!)
    const at = BigInt(GUEST_HI) << 32n
    fill(rig, at + 0x5000n, 1)
    expect(thrownBy(() => dirty(parent))).toBe(EINVAL)
    parent.dirty!.readAndClear(range, false, undefined)
    parent.dirty!.setTracking(true)
    parent.dirty!.setTracking(true)
    fill(rig, at + 0x6000n, 1)
    fill(rig, at + 0x9000n, 1)
    expect([dirty(parent, true), dirty(parent), dirty(parent)]).toEqual([[6, 9], [6, 9], []])
    fill(rig, at + 0x9000n, 2)
    expect(dirty(parent)).toEqual([9])
    parent.dirty!.setTracking(false)
    fill(rig, at + 0x7000n, 2)
    parent.dirty!.setTracking(true)
    expect(dirty(parent)).toEqual([])
  })

  test('on a nesting parent, writes through nested domains count, also of those made later', () => {
    const { rig, parent, setEntry, alloc } = guest({}, ALLOC_DIRTY_TRACKING | ALLOC_NEST_PARENT)
    setEntry(1, 5)
    const nested = alloc()
    attachGroup(nested, rig.device.group!)
    fill(rig, 0x1000n, 1)
    parent.dirty!.setTracking(true)
    fill(rig, 0x1000n, 2)
    expect(dirty(parent)).toContain(5)
    attachDevicePasid(alloc(), rig.device, 3, new AttachHandle())
    fill(rig, 0x1000n, 3, 3)
    expect(dirty(parent)).toContain(5)
  })
})
