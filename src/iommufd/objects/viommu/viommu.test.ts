// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { MAP_PRIVATE, MAP_SHARED } from '../../fs/constants.ts'
import {
  type Fields,
  HWPT_DATA,
  type MockDevice,
  MockRig,
  outcomeOf,
  VIOMMU_TYPE,
} from '../mock-rig.suite.ts'

// Results are those of `spec/02` §1 and §8; where they say more than the rows, they were observed on 7.2.13.

let rig: MockRig
let ioas: number
let mock: MockDevice
let other: MockDevice
let parent: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, 4)
  other = rig.mockDomain(ioas)
  parent = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 1 })
})

function allocVdevice(viommu: number, device: number, virtId: bigint | number): [string, number] {
  const fields = { viommu_id: viommu, dev_id: device, virt_id: virtId }
  const outcome = rig.io(abi.IOMMU_VDEVICE_ALLOC, abi.VdeviceAlloc, fields)
  return [outcome.result, outcome.get('out_vdevice_id')]
}

function vdevice(viommu: number, device: number, virtId: bigint | number): string {
  return allocVdevice(viommu, device, virtId)[0]
}

function allocViommu(fields: Fields): string {
  const all = { type: VIOMMU_TYPE, dev_id: mock.device, hwpt_id: parent, ...fields }
  return rig.result(abi.IOMMU_VIOMMU_ALLOC, abi.ViommuAlloc, all)
}

describe('IOMMU_VIOMMU_ALLOC', () => {
  test.each<[string, () => Fields, string]>([
    ['flags', () => ({ flags: 1 }), 'EOPNOTSUPP'],
    ['type 0', () => ({ type: 0, dev_id: 999 }), 'EOPNOTSUPP'],
    ['no such device', () => ({ dev_id: 999, hwpt_id: 999 }), 'ENOENT'],
    ['a type that the unit lacks, no such page table', () => ({ type: 5, hwpt_id: 999 }), 'EOPNOTSUPP'],
    ['no such page table', () => ({ hwpt_id: 999 }), 'ENOENT'],
    ['the kernel’s own page table', () => ({ hwpt_id: mock.hwpt }), 'EINVAL'],
    ['an IOAS for a page table', () => ({ hwpt_id: ioas }), 'ENOENT'],
    ['a reserved field, which is not looked at', () => ({ __reserved: 5 }), 'ok'],
    ['data at 0 that is too short', () => ({ data_len: 4 }), 'EINVAL'],
    ['data that is too short', () => ({ data_len: 7, data_uptr: rig.words(0, 0) }), 'EINVAL'],
    ['data that is too long', () => ({ data_len: 25, data_uptr: rig.words(0, 0) }), 'EINVAL'],
    ['data of length 0', () => ({ data_len: 0, data_uptr: 16 }), 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(allocViommu(fields())).toBe(result)
  })

  test('does not take a nested page table, nor one that is no nesting parent', () => {
    const nested = rig.makeHwpt(rig.nestedFields(mock.device, parent))
    const plain = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas })
    expect(allocViommu({ hwpt_id: nested })).toBe('ENOENT')
    expect(allocViommu({ hwpt_id: plain })).toBe('EINVAL')
  })

  test('gives the driver’s data back: a word, and what can be mapped', () => {
    const data = rig.words(0x77, 0, 9, 0, 0, 0)
    expect(allocViommu({ data_len: 24, data_uptr: data })).toBe('ok')
    expect(rig.peek(data, 24)).toEqual([
      0x77, 0, 0, 0, 0x77, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0,
    ])
    const short = rig.words(0x55, 0, 9)
    expect(allocViommu({ data_len: 8, data_uptr: short })).toBe('ok')
    expect(rig.peek(short, 12)).toEqual([0x55, 0, 0, 0, 0x55, 0, 0, 0, 9, 0, 0, 0])
  })

  test('leaves nothing when the driver’s data cannot be written back', () => {
    const data = rig.words(1, 0, 0, 0, 0, 0)
    rig.process.mprotect(data, 4096, 1)
    expect(allocViommu({ data_len: 24, data_uptr: data })).toBe('EFAULT')
    expect(rig.context.mmapRegions.size).toBe(0)
    expect(rig.ioas()).toBe(parent + 1)
  })
})

function dataViommu(word: number): number {
  const fields = { type: VIOMMU_TYPE, dev_id: mock.device, hwpt_id: parent }
  const data = { data_len: 24, data_uptr: rig.words(word, 0, 0, 0, 0, 0) }
  return rig.made(abi.IOMMU_VIOMMU_ALLOC, abi.ViommuAlloc, { ...fields, ...data }, 'out_viommu_id')
}

function map(offset: number, length = 8192, prot = 3, flags = MAP_SHARED): string {
  return outcomeOf(() => {
    const address = rig.process.mmap({
      length: BigInt(length),
      prot,
      flags,
      fd: rig.fd,
      offset: BigInt(offset),
    })
    rig.process.munmap(address, length)
    return 0
  })
}

describe('mmap of an iommufd', () => {
  test('shows whole regions at offsets from a page upwards, shared and not executable', () => {
    dataViommu(0x55)
    dataViommu(0x56)
    expect([map(0x1000), map(0x3000), map(0x5000), map(0)]).toEqual(['ok', 'ok', 'ENXIO', 'ENXIO'])
    expect([map(0x1000, 4096), map(0x2000, 4096), map(0x1000, 12288)]).toEqual(['ENXIO', 'ENXIO', 'ENXIO'])
    expect([map(0x1000, 8191), map(0x1000, 5000)]).toEqual(['ok', 'ok'])
    expect([map(0x1000, 8192, 3, MAP_PRIVATE), map(0x9000, 8192, 7, MAP_PRIVATE)]).toEqual([
      'EINVAL',
      'EINVAL',
    ])
    expect([map(0x1000, 8192, 7), map(0x9000, 8192, 4)]).toEqual(['EPERM', 'EPERM'])
    expect([map(0x1000, 8192, 1), map(0x1000, 8192, 0)]).toEqual(['ok', 'ok'])
  })

  test('shows the same pages to everybody, and every part of an area holds the owner', () => {
    const viommu = dataViommu(0x55)
    const request = { length: 8192n, prot: 3, flags: MAP_SHARED, fd: rig.fd, offset: 0x1000n }
    const first = rig.process.mmap(request)
    const second = rig.process.mmap(request)
    rig.process.poke(first + 4n, Uint8Array.of(0xab))
    expect(rig.peek(second, 6)).toEqual([0x55, 0, 0, 0, 0xab, 0])
    rig.process.munmap(second, 4096)
    rig.process.munmap(first, 8192)
    expect(rig.destroy(viommu)).toBe('EBUSY')
    rig.process.munmap(second + 4096n, 4096)
    expect(rig.destroy(viommu)).toBe('ok')
  })

  test('gives a freed offset out again, the lowest first', () => {
    const viommus = [1, 2, 3].map(dataViommu)
    expect(rig.destroy(viommus[0]!)).toBe('ok')
    expect(map(0x1000)).toBe('ENXIO')
    dataViommu(4)
    expect([map(0x1000), map(0x7000)]).toEqual(['ok', 'ENXIO'])
  })

  test('outlives the descriptor', () => {
    dataViommu(0x78)
    const address = rig.process.mmap({
      length: 8192n,
      prot: 3,
      flags: MAP_SHARED,
      fd: rig.fd,
      offset: 0x1000n,
    })
    rig.process.close(rig.fd)
    expect(rig.peek(address, 1)).toEqual([0x78])
    rig.process.munmap(address, 8192)
    expect(rig.leftovers()).toBe(0)
  })
})

describe('vdevices', () => {
  let viommu: number
  let second: number

  beforeEach(() => {
    viommu = rig.makeViommu(mock.device, parent)
    second = rig.makeViommu(mock.device, parent)
  })

  test('are looked up in the order vIOMMU, device', () => {
    expect(vdevice(999, 999, 1)).toBe('ENOENT')
    expect(vdevice(viommu, 999, 1)).toBe('ENOENT')
    expect(vdevice(parent, mock.device, 1)).toBe('ENOENT')
  })

  test('are one a device, and one an id of the guest’s', () => {
    expect(vdevice(viommu, mock.device, 0x42)).toBe('ok')
    expect(vdevice(viommu, mock.device, 0x43)).toBe('EEXIST')
    expect(vdevice(second, mock.device, 0x43)).toBe('EEXIST')
    expect(vdevice(viommu, other.device, 0x42)).toBe('EEXIST')
    expect(vdevice(second, other.device, 0x42)).toBe('ok')
  })

  test.each([0n, 0x1_0000_0042n, 2n ** 64n - 1n])('may be called %d', (virtId) => {
    vdevice(viommu, mock.device, 0x42)
    expect(vdevice(viommu, other.device, virtId)).toBe('ok')
  })

  test('hold their vIOMMU, not their device', () => {
    const [, id] = allocVdevice(viommu, mock.device, 0x42)
    expect(rig.destroy(viommu)).toBe('EBUSY')
    expect(rig.destroy(mock.device)).toBe('EBUSY')
    expect(vdevice(viommu, mock.device, 0x43)).toBe('EEXIST')
    expect(rig.destroy(id)).toBe('ok')
    expect(rig.destroy(viommu)).toBe('ok')
  })

  test('go with their device; the id is never used again (§1, tombstone)', () => {
    const [, id] = allocVdevice(viommu, mock.device, 0x50)
    expect(rig.destroy(mock.stdev)).toBe('ok')
    expect(rig.destroy(id)).toBe('ENOENT')
    expect(vdevice(viommu, id, 1)).toBe('ENOENT')
    expect([rig.ioas(), rig.ioas(), rig.ioas()]).toEqual([mock.stdev, mock.device, id + 1])
    expect(rig.destroy(viommu)).toBe('ok')
  })

  test('are what a nested page table through a vIOMMU needs to be attached', () => {
    const data = rig.nestedFields(mock.device, viommu)
    const nested = rig.makeHwpt(data)
    expect(rig.destroy(viommu)).toBe('EBUSY')
    expect(rig.replace(mock.stdev, nested)).toBe('ENOENT')
    const [, id] = allocVdevice(viommu, mock.device, 0x42)
    expect(rig.replace(mock.stdev, nested)).toBe('ok')
    expect(rig.replace(mock.stdev, rig.makeHwpt(rig.nestedFields(mock.device, second)))).toBe('ENOENT')
    expect(rig.hwpt({ ...data, pt_id: id })).toBe('EINVAL')
  })

  test.each<[Fields, string]>([
    [{ flags: 1 }, 'EOPNOTSUPP'],
    [{ flags: 2 }, 'EOPNOTSUPP'],
    [{ flags: 8 }, 'ok'],
    [{ flags: 16, data_type: 1 }, 'EOPNOTSUPP'],
    [{ flags: 4, fault_id: 999 }, 'ENOENT'],
    [{ data_type: 0, data_len: 0 }, 'EOPNOTSUPP'],
    [{ data_type: 1 }, 'EOPNOTSUPP'],
    [{ data_type: HWPT_DATA, data_len: 3 }, 'EINVAL'],
    [{ data_type: HWPT_DATA, data_len: 9 }, 'EINVAL'],
  ])('nested page table through it with %o: %s', (fields, result) => {
    expect(rig.hwpt({ ...rig.nestedFields(mock.device, viommu), ...fields })).toBe(result)
  })
})
