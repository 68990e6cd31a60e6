// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import type { BoundDevice } from '../../door/device.ts'
import type { Ioas } from '../../door/ioas.ts'
import { FakeMachine, type FakeMachineOptions, codeOf } from '../../fake-machine.suite.ts'
import { type Iommufd, IommufdError } from '../../index.ts'

let machine: FakeMachine
let iommufd: Iommufd
let ioas: Ioas
let device: BoundDevice

function setUp(options: FakeMachineOptions = {}): void {
  machine = new FakeMachine(options)
  iommufd = machine.open()
  ioas = iommufd.allocIoas()
  device = iommufd.bind('dev0')
}

beforeEach(() => setUp())

const hwptOf = (parent: Ioas, pasid = false) => iommufd.allocHwpt({ device, parent, pasid })

/** Maps the device's window in the tests that give it one. */
function mapAt(target: Ioas): string {
  return codeOf(() => target.map({ userAddress: 0x1000n, lengthBytes: 0x1000, iova: 0x1000n }))
}

describe('bind', () => {
  test('claims the DMA: another context gets EPERM, the same one once more (spec/02 §5, spec/01 §2.4)', () => {
    const other = machine.open()
    expect(codeOf(() => other.bind('dev0'))).toBe('EPERM')
    const again = iommufd.bind('dev0')
    device.close()
    expect(codeOf(() => other.bind('dev0'))).toBe('EPERM')
    again.close()
    other.bind('dev0').close()
  })

  test('of a device that is not there is ENODEV and leaves no descriptor', () => {
    const before = machine.process.files.descriptors
    expect(codeOf(() => iommufd.bind('nothing'))).toBe('ENODEV')
    expect(machine.process.files.descriptors).toEqual(before)
  })
})

describe('attach checks in order (spec/02 §5.1)', () => {
  test('1: no such id is ENOENT, another kind of object EINVAL', () => {
    expect(codeOf(() => device.attach({ id: 99 }))).toBe('ENOENT')
    expect(codeOf(() => device.attach({ id: device.id }))).toBe('EINVAL')
  })

  test('2: attached already is EBUSY, also to another page table', () => {
    const hwpt = hwptOf(ioas)
    device.attach(hwpt)
    expect(codeOf(() => device.attach(hwpt))).toBe('EBUSY')
    expect(codeOf(() => device.attach(hwptOf(ioas)))).toBe('EBUSY')
  })

  test('3: the other device of a group must take the same page table, and shares it', () => {
    setUp({ oneGroup: true })
    const second = iommufd.bind('dev1')
    const hwpt = hwptOf(ioas)
    device.attach(hwpt)
    expect(codeOf(() => second.attach(hwptOf(ioas)))).toBe('EINVAL')
    second.attach(hwpt)
    device.detach()
    expect(codeOf(() => hwpt.destroy())).toBe('EBUSY')
    second.detach()
    hwpt.destroy()
  })

  test('4: a window of the device over a mapping is EADDRINUSE, for its own traffic only', () => {
    setUp({ devices: [{ reservedRegions: [{ firstPage: 1, lastPage: 1, kind: 2 }] }] })
    ioas.map({ userAddress: 0x1000n, lengthBytes: 0x1000, iova: 0x1000n })
    const hwpt = hwptOf(ioas, true)
    expect(codeOf(() => device.attach(hwpt))).toBe('EADDRINUSE')
    device.attach(hwpt, { pasid: 1 })
  })

  test('6: PASID and page tables without PASID flag do not meet (spec/02 §5.2)', () => {
    const [plain, pasid] = [hwptOf(ioas), hwptOf(ioas, true)]
    expect(codeOf(() => device.attach(plain, { pasid: 5 }))).toBe('EINVAL')
    device.attach(plain)
    expect(codeOf(() => device.attach(pasid, { pasid: 5 }))).toBe('EINVAL')
    device.replace(pasid)
    device.attach(pasid, { pasid: 5 })
    expect(codeOf(() => device.replace(plain))).toBe('EINVAL')
    expect(codeOf(() => device.replace(ioas))).toBe('EINVAL')
    expect(codeOf(() => device.attach(ioas, { pasid: 6 }))).toBe('EINVAL')
    device.detach()
    expect(codeOf(() => device.attach(plain))).toBe('EINVAL')
    device.detach({ pasid: 5 })
    device.attach(plain)
  })

  test('7: a PASID that the device cannot have is EINVAL, a device without any too (spec/03 §8)', () => {
    const hwpt = hwptOf(ioas, true)
    expect(codeOf(() => device.attach(hwpt, { pasid: 64 }))).toBe('EINVAL')
    setUp({ devices: [{ maxPasids: 0 }] })
    expect(codeOf(() => device.attach(hwptOf(ioas, true), { pasid: 1 }))).toBe('EINVAL')
  })
})

describe('an IOAS as the target (spec/02 §5.4)', () => {
  test('makes a page table that two devices share and that goes with the last', () => {
    const second = iommufd.bind('dev1')
    const id = device.attach(ioas)
    expect(second.attach(ioas)).toBe(id)
    expect(machine.domains.size).toBe(1)
    device.detach()
    expect(machine.domains.size).toBe(1)
    second.detach()
    expect(machine.domains.size).toBe(0)
  })

  test('gives a device its own page table when the present one does not fit, and only for EINVAL', () => {
    const second = iommufd.bind('dev1')
    const id = device.attach(ioas)
    machine.iommu.refuses.add('dev1')
    expect(codeOf(() => second.attach(ioas))).toBe('EINVAL')
    expect(machine.domains.size).toBe(1)
    machine.iommu.refuses.clear()
    expect(second.attach(ioas)).toBe(id)
  })

  test('cannot be destroyed by its page table’s id while attached (spec/02 §1.2)', () => {
    const id = device.attach(ioas)
    const command = new Uint8Array(8)
    new DataView(command.buffer).setUint32(0, 8, true)
    new DataView(command.buffer).setUint32(4, id, true)
    machine.mm.bytes.set(command, 0x2000)
    expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b80, 0x2000n))).toBe('EBUSY')
  })

  test('sees areas that are not there as EFAULT and stays detached', () => {
    ioas.map({ userAddress: 0x1000_0000n, lengthBytes: 0x1000, iova: 0x1000n })
    expect(codeOf(() => device.attach(ioas))).toBe('EFAULT')
    device.attach(iommufd.allocIoas())
  })
})

describe('replace (spec/02 §5.3, §12)', () => {
  test('needs an attachment, and does nothing for the same page table', () => {
    const hwpt = hwptOf(ioas)
    expect(codeOf(() => device.replace({ id: 99 }))).toBe('ENOENT')
    expect(codeOf(() => device.replace(hwpt))).toBe('EINVAL')
    expect(codeOf(() => device.replace(hwpt, { pasid: 3 }))).toBe('EINVAL')
    device.attach(hwpt)
    expect(device.replace(hwpt)).toBe(hwpt.id)
  })

  test('by an IOAS fills the new page table before it looks at the attachment', () => {
    const other = iommufd.allocIoas()
    other.map({ userAddress: 0x1000_0000n, lengthBytes: 0x1000, iova: 0x1000n })
    expect(codeOf(() => device.replace(other))).toBe('EFAULT')
    expect(codeOf(() => device.replace(ioas))).toBe('EINVAL')
    expect(machine.domains.size).toBe(0)
  })

  test('moves every device of the group and destroys an old page table of the IOAS’s own', () => {
    setUp({ oneGroup: true })
    const second = iommufd.bind('dev1')
    device.attach(ioas)
    second.attach(ioas)
    const hwpt = hwptOf(iommufd.allocIoas())
    second.replace(hwpt)
    expect(machine.domains.size).toBe(1)
    ioas.destroy()
    device.detach()
    expect(codeOf(() => hwpt.destroy())).toBe('EBUSY')
    second.detach()
    hwpt.destroy()
  })

  test('that the driver refuses leaves the old attachment', () => {
    device.attach(ioas)
    machine.iommu.refuses.add('dev0')
    expect(codeOf(() => device.replace(hwptOf(iommufd.allocIoas())))).toBe('EINVAL')
    expect(codeOf(() => ioas.destroy())).toBe('EBUSY')
    expect(machine.devices[0]!.group!.domain).toBe([...machine.domains][0])
  })

  test('takes the device’s windows to the new IOAS, and back when it fails', () => {
    setUp({ devices: [{ reservedRegions: [{ firstPage: 1, lastPage: 1, kind: 2 }] }] })
    const other = iommufd.allocIoas()
    device.attach(ioas)
    expect([mapAt(ioas), mapAt(other)]).toEqual(['EINVAL', 'ok'])
    expect(codeOf(() => device.replace(other))).toBe('EADDRINUSE')
    other.unmap({ iova: 0x1000n, lengthBytes: 0x1000 })
    device.replace(other)
    expect([mapAt(ioas), mapAt(other)]).toEqual(['ok', 'EINVAL'])
    device.detach()
    expect(mapAt(other)).toBe('ok')
  })
})

describe('HWPT_ALLOC checks in order (spec/02 §7.1)', () => {
  test('flags, then areas, then the fault queue', () => {
    const faultQueue = iommufd.allocFaultQueue()
    const request = { device, parent: ioas }
    expect(codeOf(() => iommufd.allocHwpt({ ...request, nestParent: true, faultQueue }))).toBe('EOPNOTSUPP')
    expect(codeOf(() => iommufd.allocHwpt({ ...request, dirtyTracking: true }))).toBe('EOPNOTSUPP')
    machine.iommu.dirtyTracking = true
    iommufd.allocHwpt({ ...request, dirtyTracking: true }).destroy()
    faultQueue.close()
    faultQueue.destroy()
    expect(codeOf(() => iommufd.allocHwpt({ ...request, faultQueue }))).toBe('ENOENT')
    ioas.map({ userAddress: 0x1000_0000n, lengthBytes: 0x1000, iova: 0x1000n })
    expect(codeOf(() => iommufd.allocHwpt({ ...request, faultQueue }))).toBe('EFAULT')
    expect(machine.domains.size).toBe(0)
  })

  test('a parent that is not there is EINVAL, a device that is not there ENOENT', () => {
    const parent = iommufd.allocIoas()
    parent.destroy()
    expect(codeOf(() => iommufd.allocHwpt({ device, parent }))).toBe('EINVAL')
    device.close()
    expect(codeOf(() => iommufd.allocHwpt({ device, parent: ioas }))).toBe('ENOENT')
  })
})

test('detaching what is not attached does nothing (spec/02 §5.5)', () => {
  device.detach()
  device.detach({ pasid: 9 })
})

test('faults of a device on a plain IOAS are answered INVALID by the core (spec/02 §5.4)', () => {
  device.attach(ioas)
  expect(machine.report({ grpid: 1 })).toBe(22)
  expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 INVALID'])
})

test('errors of the typed door carry code, number, operation and arguments', () => {
  let caught: unknown
  try {
    ioas.map({ userAddress: 0x1000n, lengthBytes: 0, iova: 0x2000n })
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(IommufdError)
  expect(caught).toMatchObject({
    code: 'EINVAL',
    errno: 22,
    operation: 'ioas.map',
    message: 'ioas.map(userAddress: 0x1000, lengthBytes: 0, iova: 0x2000): EINVAL',
  })
})
