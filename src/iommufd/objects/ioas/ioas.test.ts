// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { IoasMap, IoasUnmap, getU64, setU64 } from '../../abi/index.ts'
import type { Ioas } from '../../door/ioas.ts'
import { FakeMachine, type FakeMachineOptions, codeOf } from '../../fake-machine.suite.ts'
import type { Iommufd } from '../../iommufd.ts'

const ALL = 2n ** 64n - 1n
const FIXED = 1
const WRITEABLE = 2
const READABLE = 4

let machine: FakeMachine
let iommufd: Iommufd
let ioas: Ioas

function setUp(options: FakeMachineOptions = {}): void {
  machine = new FakeMachine(options)
  iommufd = machine.open()
  ioas = iommufd.allocIoas()
}

beforeEach(() => setUp())

interface RawMap {
  readonly flags?: number
  readonly reserved?: number
  readonly ioasId?: number
  readonly va?: bigint
  readonly length?: bigint
  readonly iova?: bigint
}

function rawMap({
  flags = FIXED | READABLE | WRITEABLE,
  reserved = 0,
  ioasId = ioas.id,
  va = 0x1000n,
  length = 0x1000n,
  iova = 0n,
}: RawMap): string {
  const command = new IoasMap()
  command.flags = flags
  command.__reserved = reserved
  command.ioas_id = ioasId
  setU64(command, 'user_va', va)
  setU64(command, 'length', length)
  setU64(command, 'iova', iova)
  return codeOf(() => ioas.mapCommand(command))
}

function unmap(iova: bigint, length: bigint): string {
  return codeOf(() => ioas.unmap({ iova, lengthBytes: length }))
}

/** Attaches a device, so that the IOAS has a domain. */
function addDomain(): void {
  iommufd.bind('dev0').attach(ioas)
}

describe('IOAS_MAP checks in order (spec/02 §3.3, each row also against the rows below it)', () => {
  const AUTO = READABLE | WRITEABLE
  test.each<[string, RawMap, string]>([
    ['1 unknown flag', { flags: 8, iova: ALL }, 'EOPNOTSUPP'],
    ['1 reserved', { reserved: 1, iova: ALL }, 'EOPNOTSUPP'],
    ['2 iova', { flags: FIXED, iova: ALL }, 'EOVERFLOW'],
    ['2 length', { flags: FIXED, length: ALL }, 'EOVERFLOW'],
    ['3 neither readable nor writeable', { flags: FIXED, ioasId: 99 }, 'EINVAL'],
    ['4 IOAS', { ioasId: 99, length: 0n }, 'ENOENT'],
    ['5 memory ends past the address space', { va: 2n ** 64n - 0x1000n }, 'EOVERFLOW'],
    ['5 length 0', { va: ALL, length: 0n }, 'EINVAL'],
    ['5 length 2^64-4096', { va: 0n, length: 2n ** 64n - 0x1000n }, 'EINVAL'],
    ['7 automatic, half the space', { flags: AUTO, va: 0n, length: 2n ** 63n - 1n }, 'EOVERFLOW'],
    ['7 automatic, just less', { flags: AUTO, va: 0n, length: 2n ** 63n - 2n }, 'ok'],
    ['7 fixed, wraps', { iova: 2n ** 64n - 0x100n }, 'EOVERFLOW'],
    ['7 fixed, the last page', { iova: 2n ** 64n - 0x1000n }, 'ok'],
    ['7 fixed, the whole space but a page', { va: 0n, length: 2n ** 64n - 0x1001n }, 'ok'],
  ])('%s', (_row, request, expected) => {
    expect(rawMap(request)).toBe(expected)
  })

  test('7: reserved wins over occupied, occupied is EEXIST', () => {
    setUp({ devices: [{ reservedRegions: [{ firstPage: 0x100, lastPage: 0x100, kind: 2 }] }] })
    addDomain()
    expect(rawMap({ iova: 0xff000n })).toBe('ok')
    expect(rawMap({ iova: 0xff000n, length: 0x2000n })).toBe('EINVAL')
    expect(rawMap({ iova: 0xff000n })).toBe('EEXIST')
  })

  test('6, 7, 9: with a domain everything is a multiple of its page; occupied comes before the unaligned memory', () => {
    addDomain()
    expect(rawMap({ iova: 0x10000n })).toBe('ok')
    expect(rawMap({ iova: 0x20000n, length: 0x1001n })).toBe('EINVAL')
    expect(rawMap({ iova: 0x20800n })).toBe('EINVAL')
    expect(rawMap({ iova: 0x20000n, va: 0x1100n })).toBe('EINVAL')
    expect(rawMap({ iova: 0x10000n, va: 0x1100n })).toBe('EEXIST')
    expect(rawMap({ flags: AUTO, va: 0x1100n })).toBe('EINVAL')
  })

  test('7: an address outside the aperture is reserved', () => {
    machine.iommu.aperture = { firstPage: 0x1000, lastPage: 0x7ffff }
    addDomain()
    expect(rawMap({ iova: 0xfff000n })).toBe('EINVAL')
    expect(rawMap({ iova: 0x1000000n })).toBe('ok')
    expect(rawMap({ iova: 0x7ffff000n })).toBe('ok')
    expect(rawMap({ iova: 0x7ffff000n, length: 0x2000n })).toBe('EINVAL')
  })
})

describe('memory behind an IOAS', () => {
  test('is not looked at without a domain, and refuses the domain then (spec/02 §3.1)', () => {
    expect(rawMap({ va: 0x1000_0000n, iova: 0x1000n })).toBe('ok')
    expect(machine.mm.pins).toBe(0)
    const device = iommufd.bind('dev0')
    expect(codeOf(() => iommufd.allocHwpt({ device, parent: ioas }))).toBe('EFAULT')
    expect(codeOf(() => device.attach(ioas))).toBe('EFAULT')
    expect(machine.domains.size).toBe(0)
    expect(machine.mm.pins).toBe(0)
  })

  test('is pinned when the first domain comes, once for all domains, until the last goes', () => {
    ioas.map({ userAddress: 0x2000n, lengthBytes: 0x3000 })
    const [first, second] = [iommufd.bind('dev0'), iommufd.bind('dev1')]
    const hwpts = [first, second].map((device) => iommufd.allocHwpt({ device, parent: ioas }))
    expect(machine.mm).toMatchObject({ pins: 3, pinnedVm: 3 })
    expect([...machine.domains].map((domain) => domain.mapped.size)).toEqual([3, 3])
    hwpts[0]!.destroy()
    expect(machine.mm.pins).toBe(3)
    hwpts[1]!.destroy()
    expect(machine.mm).toMatchObject({ pins: 0, pinnedVm: 0 })
  })

  test('appears in every domain at its address with its permission', () => {
    addDomain()
    expect(ioas.map({ userAddress: 0x2000n, lengthBytes: 0x2000, iova: 0x40000n, writeable: false })).toBe(
      0x40000n,
    )
    const [domain] = [...machine.domains]
    expect([...domain!.mapped]).toEqual([
      [0x40, { frame: 1002, access: 5 }],
      [0x41, { frame: 1003, access: 5 }],
    ])
    expect(ioas.unmap({ iova: 0x40000n, lengthBytes: 0x2000 })).toBe(0x2000n)
    expect(domain!.mapped.size).toBe(0)
  })

  test('that is missing in the middle undoes the map (spec/02 §3.3 row 10)', () => {
    addDomain()
    machine.mm.badPages.add(3)
    expect(rawMap({ va: 0x2000n, length: 0x3000n, iova: 0x10000n })).toBe('EFAULT')
    expect(machine.mm).toMatchObject({ pins: 0, pinnedVm: 0, references: 1 })
    machine.mm.badPages.delete(3)
    expect(rawMap({ va: 0x2000n, length: 0x3000n, iova: 0x10000n })).toBe('ok')
  })

  test('stays usable after its process is gone, and new pins fail then (spec/02 §3.9)', () => {
    addDomain()
    expect(rawMap({ iova: 0x1000n })).toBe('ok')
    machine.mm.exit()
    expect([...machine.domains][0]!.mapped.size).toBe(1)
    expect(rawMap({ iova: 0x2000n })).toBe('EFAULT')
  })

  test('is charged to the user up to RLIMIT_MEMLOCK; a bad address wins over the limit (spec/02 §3.8)', () => {
    setUp({ process: { memlockBytes: 0x2000 } })
    addDomain()
    machine.mm.badPages.add(8)
    expect(rawMap({ length: 0x3000n, iova: 0x10000n })).toBe('ENOMEM')
    expect(rawMap({ va: 0x6000n, length: 0x3000n, iova: 0x10000n })).toBe('EFAULT')
    expect(machine.mm.pins).toBe(0)
    expect(rawMap({ length: 0x2000n, iova: 0x10000n })).toBe('ok')
    expect(rawMap({ iova: 0x20000n })).toBe('ENOMEM')
    expect(unmap(0x10000n, 0x2000n)).toBe('ok')
    expect(rawMap({ iova: 0x20000n })).toBe('ok')
  })

  test('is free of the limit with CAP_IPC_LOCK (spec/02 §3.8)', () => {
    setUp({ process: { memlockBytes: 0, capIpcLock: true } })
    addDomain()
    expect(rawMap({ iova: 0x10000n })).toBe('ok')
    expect(machine.process.user.lockedPages).toBe(0)
    expect(machine.mm.pinnedVm).toBe(1)
  })
})

describe('adding a domain', () => {
  test.each<[string, RawMap, string]>([
    ['an unaligned address', { iova: 0x1000800n }, 'EADDRINUSE'],
    ['an unaligned length', { length: 0x1001n, iova: 0x1000000n }, 'EADDRINUSE'],
    ['unaligned memory', { va: 0x1100n, iova: 0x1000000n }, 'EADDRINUSE'],
    ['an area below its aperture', { iova: 0x1000n }, 'EADDRINUSE'],
    ['memory that is not there', { va: 0x1000_0000n, iova: 0x1000000n }, 'EFAULT'],
    ['what fits', { iova: 0x1000000n }, 'ok'],
  ])('over %s (spec/02 §3.2, §7.1)', (_what, request, expected) => {
    machine.iommu.aperture = { firstPage: 0x1000 }
    const device = iommufd.bind('dev0')
    expect(rawMap(request)).toBe('ok')
    expect(codeOf(() => iommufd.allocHwpt({ device, parent: ioas }))).toBe(expected)
  })
})

describe('IOAS_UNMAP (spec/02 §3.5, §12)', () => {
  test.each<[string, bigint, bigint, string]>([
    ['iova 2^64-1', ALL, 1n, 'EOVERFLOW'],
    ['length 2^64-1 elsewhere than at 0', 1n, ALL, 'EOVERFLOW'],
    ['length 0', 0x1000n, 0n, 'EINVAL'],
    ['wraps', 2n ** 64n - 0x800n, 0x1000n, 'EOVERFLOW'],
    ['nothing there', 0x8000n, 0x1000n, 'ENOENT'],
    ['a part of an area', 0x1000n, 0x800n, 'ENOENT'],
    ['the middle of an area', 0x1800n, 0x100n, 'ENOENT'],
    ['exactly', 0x1000n, 0x1000n, 'ok'],
    ['more than is there', 0x800n, 0x4000n, 'ok'],
  ])('%s', (_what, iova, length, expected) => {
    rawMap({ iova: 0x1000n })
    expect(unmap(iova, length)).toBe(expected)
  })

  test('finds an area across 4 GiB by its length, and memory across 4 GiB behind another', () => {
    expect(rawMap({ iova: 0xffff_f000n, length: 0x2000n })).toBe('ok')
    expect(rawMap({ iova: 0x1_0000_0000n })).toBe('EEXIST')
    expect(rawMap({ iova: 0x2000n, va: 0xffff_f000n, length: 0x2000n })).toBe('ok')
    expect(unmap(0xffff_f000n, 0x1000n)).toBe('ENOENT')
    expect(unmap(0xffff_f000n, 0x2000n)).toBe('ok')
    expect(unmap(0x2000n, 0x2000n)).toBe('ok')
  })

  test('looks the IOAS up first', () => {
    const command = new IoasUnmap()
    command.ioas_id = 99
    expect(codeOf(() => ioas.unmapCommand(command))).toBe('ENOENT')
  })

  test('removes the areas below one that is only partly inside, and leaves length as it was', () => {
    rawMap({ iova: 0x1000n })
    rawMap({ iova: 0x2000n })
    const command = new IoasUnmap()
    command.ioas_id = ioas.id
    setU64(command, 'iova', 0x1000n)
    setU64(command, 'length', 0x1800n)
    expect(codeOf(() => ioas.unmapCommand(command))).toBe('ENOENT')
    expect(getU64(command, 'length')).toBe(0x1800n)
    expect(unmap(0x1000n, 0x1000n)).toBe('ENOENT')
    expect(unmap(0x2000n, 0x1000n)).toBe('ok')
  })

  test('takes everything for 0 and 2^64-1, also nothing', () => {
    rawMap({ iova: 0x1000n, length: 0x5001n })
    rawMap({ iova: 0x100000n })
    expect(ioas.unmap({ iova: 0n, lengthBytes: ALL })).toBe(0x6001n)
    expect(ioas.unmap({ iova: 0n, lengthBytes: ALL })).toBe(0n)
  })
})

test('an IOAS with a page table cannot be destroyed; without, its areas go with it', () => {
  rawMap({ iova: 0x1000n })
  const device = iommufd.bind('dev0')
  const hwpt = iommufd.allocHwpt({ device, parent: ioas })
  expect(codeOf(() => ioas.destroy())).toBe('EBUSY')
  hwpt.destroy()
  ioas.destroy()
  expect(machine.mm.references).toBe(1)
})
