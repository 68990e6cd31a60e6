// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { EINVAL, EIO, ENOENT, EOPNOTSUPP } from '../../../base/errno.ts'
import { toBigint } from '../../../base/u64.ts'
import { attachGroupHandle, detachGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachHandleGet } from '../../iommu/attach-pasid.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import {
  ALLOC_NEST_PARENT,
  type DriverVdevice,
  type DriverViommu,
  type MmapRegion,
  type ViommuPort,
} from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { userDataOf } from '../../iommu/user-data.suite.ts'
import type { UserArray } from '../../iommu/user-data.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { Rig } from './rig.suite.ts'

const PASID = 7
const VSID = 0x42
const PAGE = 4096
/** Guest page 0; its frames lie elsewhere. Pages: 0 CDs, 1 … 4 tables of the RID, 5 … 8 of the PASID, 9 … data. */
const GUEST = 0x1000_0000
const STALL = 1 << 12

let rig: Rig
let parent: Domain
let port: Port
let viommu: DriverViommu
/** Frame of guest page 0. */
let memory: number

class Port implements ViommuPort {
  readonly events: { type: number; words: number[] }[] = []
  vdevice: DriverVdevice | undefined = undefined
  full = false

  findDevice(_hi: number, lo: number): DriverVdevice['device'] | undefined {
    return this.vdevice?.virtIdLo === lo ? this.vdevice.device : undefined
  }

  findVdevice(device: DriverVdevice['device']): DriverVdevice | undefined {
    return this.vdevice?.device === device ? this.vdevice : undefined
  }

  reportEvent(type: number, payload: Uint8Array): void {
    if (this.full) throw EOPNOTSUPP
    this.events.push({ type, words: [...new Int32Array(payload.buffer.slice(0))] })
  }

  allocMmap(): MmapRegion {
    throw EOPNOTSUPP
  }

  freeMmap(): void {}
}

function guestWord(page: number, word: number, value: number): void {
  rig.memory.words[(memory + page) * 1024 + word] = value
}

/** The guest's tables from `first` on: four levels down to data page `data`, for the IOVA 0x1000 alone. */
function guestTables(first: number, data: number): void {
  for (let level = 0; level < 3; level++)
    guestWord(first + level, 0, (GUEST + (first + level + 1) * PAGE) | 3)
  guestWord(first + 3, 2, (GUEST + data * PAGE) | 0x743)
}

function guestCd(ssid: number, first: number, bits = 0): void {
  const at = ssid * 16
  guestWord(0, at + 1, 3 | (1 << 9) | (1 << 13) | (1 << 14) | ((ssid + 1) << 16) | bits)
  guestWord(0, at + 2, GUEST + first * PAGE)
  guestWord(0, at, 16 | (1 << 30) | (1 << 31))
}

/** Of a guest with 16 CDs. */
function vste(change: { word0?: number; word1?: number; word2?: number; word3?: number } = {}): number[] {
  return [change.word0 ?? GUEST | (5 << 1) | 1, change.word1 ?? 4 << 27, change.word2 ?? 2, change.word3 ?? 0]
}

function alloc(words: readonly number[], handler?: FaultHandler, flags = 0, type = 2): Domain {
  const bytes = new Uint8Array(Int32Array.from(words).buffer)
  return viommu.domainAllocNested!(flags, userDataOf(type, bytes), handler)
}

function attach(domain: Domain): void {
  attachGroupHandle(domain, rig.device.group!, new AttachHandle())
}

function detach(): void {
  detachGroupHandle(rig.device.group!, attachHandleGet(rig.device.group!, 0, 0))
}

function fill(pasid?: number, value = 5, destination = 0x1000n): string {
  const place = pasid === undefined ? {} : { pasid }
  const transfer = rig.submit({ op: 'fill', destination, lengthBytes: 1, value, ...place })
  rig.run()
  return transfer.status
}

function byteAt(page: number): number {
  return rig.memory.bytes[(memory + page) * PAGE]!
}

function commands(...entries: readonly (readonly number[])[]): UserArray {
  const bytes = new Uint8Array(Int32Array.from(entries.flat()).buffer)
  return {
    type: 1,
    entryBytes: 16,
    entryCount: entries.length,
    handled: entries.length,
    copyEntry: (index) => bytes.subarray(index * 16, index * 16 + 16),
    copyAll: (type) => {
      if (type !== 1) throw EINVAL
      return bytes
    },
  }
}

beforeEach(() => {
  rig = new Rig()
  parent = rig.paging(undefined, ALLOC_NEST_PARENT)
  memory = rig.frames.allocContiguous(32)
  parent.map(0, GUEST, memory, 32, IOMMU_READ | IOMMU_WRITE)
  port = new Port()
  port.vdevice = { device: rig.device, virtIdHi: 0, virtIdLo: VSID }
  viommu = rig.driver.viommuInit(rig.device, { type: 1, parent, port, userData: undefined })
  guestTables(1, 9)
  guestTables(5, 10)
  guestCd(0, 1)
  guestCd(PASID, 5)
})

describe('a guest’s stream table entry (spec/04 §2.5)', () => {
  test('its CDs and tables translate, on those of the host: RID and PASIDs', () => {
    attach(alloc(vste()))
    expect([fill(undefined, 5), fill(PASID, 6)]).toEqual(['done', 'done'])
    expect([byteAt(9), byteAt(10)]).toEqual([5, 6])
  })

  test.each([
    ['a bit of word 0 that is none', { word1: 1 << 20 }],
    ['a stage-2 configuration', { word0: GUEST | (6 << 1) | 1 }],
    ['a nested configuration', { word0: GUEST | (7 << 1) | 1 }],
    ['MEV', { word2: 2 | (1 << 19) }],
    ['STRW', { word2: 2 | (1 << 30) }],
    ['SHCFG', { word3: 1 << 12 }],
    ['EATS split', { word2: 2 | (2 << 28) }],
  ])('EIO: %s', (_name, change) => {
    expect(thrownBy(() => alloc(vste(change)))).toBe(EIO)
  })

  test('an entry that is not valid aborts, whatever else it says', () => {
    const domain = alloc([0, -1, -1, -1])
    port.vdevice = undefined
    attach(domain)
    expect(fill()).toBe('unrecoverable')
    expect(rig.driver.events.count).toBe(0)
  })

  test('bypass is the host’s stage 2 alone, and needs no vdevice; stage 1 does', () => {
    port.vdevice = undefined
    const stage1 = alloc(vste())
    expect(thrownBy(() => attach(stage1))).toBe(ENOENT)
    attach(alloc([(4 << 1) | 1, 0, 0, 0]))
    expect(fill(undefined, 7, BigInt(GUEST + 9 * PAGE))).toBe('done')
    expect(byteAt(9)).toBe(7)
  })

  test('other flags, types and parents are EOPNOTSUPP or EINVAL; PASIDs of the host in use are EBUSY', () => {
    expect(thrownBy(() => alloc(vste(), undefined, 8))).toBe(EOPNOTSUPP)
    expect(thrownBy(() => alloc(vste(), undefined, 0, 3))).toBe(EOPNOTSUPP)
    expect(thrownBy(() => alloc(vste().slice(0, 3)))).toBe(EINVAL)
    const options = { type: 1, port, userData: undefined }
    expect(thrownBy(() => rig.driver.viommuInit(rig.device, { ...options, parent: rig.paging() }))).toBe(
      EINVAL,
    )
    expect([1, 0, 2].map((type) => rig.driver.viommuSupported(rig.device, type))).toEqual([
      true,
      false,
      false,
    ])
    const poor = new Rig({ unit: { stage2: false } })
    expect(poor.driver.viommuSupported(poor.device, 1)).toBe(false)
    rig.attachPasid(PASID)
    expect(thrownBy(() => attach(alloc(vste())))).toHaveProperty('code', 'EBUSY')
  })
})

describe('faults of a guest', () => {
  test('those that wait go to the nested domain’s handler: also of PASIDs that only the guest knows', () => {
    guestCd(0, 1, STALL)
    guestCd(PASID, 5, STALL)
    guestWord(4, 2, 0)
    guestWord(8, 2, 0)
    const handler = new KeepingHandler()
    attach(alloc(vste(), handler))
    expect([fill(), fill(PASID)]).toEqual(['running', 'running'])
    expect(handler.groups.map(({ last }) => [last.pasid, last.addrLo])).toEqual([
      [0, 0x1000],
      [PASID, 0x1000],
    ])
    guestTables(1, 9)
    guestTables(5, 10)
    handler.answer(0)
    handler.answer(0)
    rig.run()
    expect([byteAt(9), byteAt(10), rig.unit.stalls.waiting]).toEqual([5, 5, 0])
  })

  test('those that do not wait go to the guest’s event queue, as events of its own stream', () => {
    guestWord(4, 2, 0)
    attach(alloc(vste()))
    expect(fill(PASID, 1, 0x3000n)).toBe('unrecoverable')
    expect(fill()).toBe('unrecoverable')
    const [first, second] = port.events
    expect(first).toMatchObject({ type: 1 })
    expect(first!.words.slice(0, 2)).toEqual([0x10 | (1 << 11) | (PASID << 12), VSID])
    expect(toBigint(first!.words[5]!, first!.words[4]!)).toBe(0x3000n)
    expect(second!.words.slice(0, 2)).toEqual([0x10, VSID])
    expect([rig.driver.events.forwarded, rig.driver.events.count]).toEqual([2, 0])
  })

  test('a wrong CD is the guest’s affair; without an event queue it is for the host’s log, a fault of stage 2 for neither', () => {
    attach(alloc(vste()))
    guestWord(0, 0, 0)
    viommu.invalidate!(commands([0x05, VSID, 0, 0]))
    expect(fill()).toBe('unrecoverable')
    expect(port.events.map(({ words }) => words[0]! & 0xff)).toEqual([0x0a])
    port.full = true
    fill()
    port.full = false
    parent.unmap(0, GUEST + 10 * PAGE, 1)
    expect(fill(PASID)).toBe('invalid')
    expect([rig.driver.events.count, rig.driver.events.lastReason, port.events.length]).toEqual([1, 0x0a, 1])
  })

  test('a guest may not make a device stall that cannot', () => {
    rig = new Rig({ driver: { canStall: () => false } })
    parent = rig.paging(undefined, ALLOC_NEST_PARENT)
    memory = rig.frames.allocContiguous(32)
    parent.map(0, GUEST, memory, 32, IOMMU_READ | IOMMU_WRITE)
    port.vdevice = { device: rig.device, virtIdHi: 0, virtIdLo: VSID }
    viommu = rig.driver.viommuInit(rig.device, { type: 1, parent, port, userData: undefined })
    guestTables(1, 9)
    guestCd(0, 1, STALL)
    attach(alloc(vste()))
    expect(fill()).toBe('unrecoverable')
    expect(port.events.map(({ words }) => words[0]! & 0xff)).toEqual([0x0a])
  })
})

describe('invalidations of a guest', () => {
  test.each([
    ['NSNH_ALL', [0x30, 0, 0, 0]],
    ['NH_ALL of whatever VMID', [0x10, 0xffff, 0, 0]],
    ['NH_ASID', [0x11, (PASID + 1) << 16, 0, 0]],
    ['NH_VA', [0x12, ((PASID + 1) << 16) | 9, 0x1000, 0]],
    ['NH_VAA', [0x13, 0, 0x1000, 0]],
  ])('%s has effect in the guest’s VMID', (_name, command) => {
    attach(alloc(vste()))
    fill(PASID, 1)
    guestTables(5, 11)
    fill(PASID, 2)
    expect([byteAt(10), byteAt(11)]).toEqual([2, 0])
    const array = commands(command)
    viommu.invalidate!(array)
    fill(PASID, 3)
    expect([byteAt(10), byteAt(11), array.handled]).toEqual([2, 3, 1])
  })

  test('CFGI_CD and CFGI_CD_ALL name the guest’s stream', () => {
    attach(alloc(vste()))
    fill(PASID, 1)
    for (const [ssid, command] of [
      [5, [0x05 | (PASID << 12), VSID, 1, 0]],
      [1, [0x06, VSID, 0, 0]],
    ] as const) {
      guestCd(PASID, ssid === 5 ? 1 : 5)
      viommu.invalidate!(commands(command, [0x30, 0, 0, 0]))
      fill(PASID, 20 + ssid)
    }
    expect([byteAt(9), byteAt(10)]).toEqual([25, 21])
  })

  test.each([
    ['a stream that it has not', [0x05, VSID + 1, 0, 0]],
    ['CFGI_STE', [0x03, VSID, 0, 0]],
    ['S12_VMALL', [0x28, 0, 0, 0]],
    ['SYNC', [0x46, 0, 0, 0]],
    ['RESUME', [0x44, VSID, 0, 0]],
  ])('%s is EIO, those before are done', (_name, command) => {
    attach(alloc(vste()))
    const array = commands([0x30, 0, 0, 0], command, [0x30, 0, 0, 0])
    expect(thrownBy(() => viommu.invalidate!(array))).toBe(EIO)
    expect(array.handled).toBe(1)
  })

  test('what the host takes away is gone at once, also from what was cached of both stages', () => {
    attach(alloc(vste()))
    expect(fill()).toBe('done')
    parent.unmap(0, GUEST + 9 * PAGE, 1)
    expect(fill()).toBe('invalid')
  })
})

test('everything goes back', () => {
  const nested = alloc(vste())
  attach(nested)
  fill()
  detach()
  nested.free()
  viommu.free()
  parent.free()
  rig.frames.freeContiguous(memory, 32)
  rig.end()
  expect([rig.frames.inUse, rig.driver.domains.count]).toEqual([rig.framesBefore, 0])
})

test('what the unit is, for user space (spec/03 §5)', () => {
  const { type, data } = rig.driver.hwInfo(rig.device, 0)
  const words = [...new Int32Array(data.buffer)]
  expect([type, data.length, words.slice(2, 8)]).toEqual([2, 40, rig.driver.features.idr])
  expect(words.at(-1)).toBe(2)
  expect(thrownBy(() => rig.driver.hwInfo(rig.device, 1))).toBe(EOPNOTSUPP)
})
