// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { attachGroup, attachGroupHandle, detachGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachDevicePasid, attachHandleGet } from '../../iommu/attach-pasid.ts'
import { DOMAIN_UNMANAGED, Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import { ALLOC_NEST_PARENT, ALLOC_PASID, CAP_CACHE_COHERENCY } from '../../iommu/driver.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { userDataOf } from '../../iommu/user-data.suite.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { NESTED_DATA_SIMPLE } from './user-abi.ts'
import { MappingHandler, Rig } from './rig.suite.ts'

const PAGE = 4096

/** A table entry at guest page `page` of the guest that starts at 0x1000000000. */
function pointer(page: number): [number, number] {
  return [(page << 12) | 7, 0x10]
}

describe('domains', () => {
  test('flags and data that the unit does not know are EOPNOTSUPP or EINVAL', () => {
    const rig = new Rig()
    const alloc = (flags: number) => (): void => void rig.driver.domainAllocPaging(undefined, { flags })
    expect(thrownBy(alloc(4))).toBe(EOPNOTSUPP)
    expect(thrownBy(alloc(0x10))).toBe(EOPNOTSUPP)
    const parent = rig.driver.domainAllocPaging(undefined, { flags: ALLOC_NEST_PARENT | ALLOC_PASID })
    const plain = rig.driver.domainAllocPaging(undefined, { flags: 0 })
    const data = new Uint8Array(16)
    data[8] = 1
    const nest =
      (on: Domain, dataType: number, bytes: Uint8Array, flags = 0) =>
      (): void =>
        void rig.driver.domainAllocNested(rig.device, on, { flags, userData: userDataOf(dataType, bytes) })
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
    const options = { flags: 0, userData: userDataOf(NESTED_DATA_SIMPLE, data), iopfHandler: handler }
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
    expect(rig.driver.capable(rig.device, 5)).toBe(true)
    const domain = rig.driver.domainAllocPaging(rig.device, { flags: 0 })
    expect(thrownBy(() => rig.driver.setDevicePasid(domain, rig.device, 1))).toBe(EOPNOTSUPP)
    expect(thrownBy(() => attachDevicePasid(domain, rig.device, 1, undefined))).toBe(EINVAL)
  })
})
