// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { POLL_IN, POLL_RDNORM } from '../../files.ts'
import { BytesBuffer } from '../../user-memory.ts'
import { getTyped } from '../lookup.ts'
import { EVENT_TYPE, type Fields, type MockDevice, MockRig, outcomeOf } from '../mock-rig.suite.ts'
import { VeventqObject } from './veventq.ts'

// Results are those of `spec/02` §9; sequences of calls were observed on 7.2.13.

const VIRT_ID = 0x42
const NOTHING: number[] = []

let rig: MockRig
let ioas: number
let mock: MockDevice
let viommu: number
let queue: number
let fd: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, 4)
  const parent = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 1 })
  viommu = rig.makeViommu(mock.device, parent)
})

function alloc(fields: Fields = {}): string {
  const all = { viommu_id: viommu, type: EVENT_TYPE, veventq_depth: 2, ...fields }
  const outcome = rig.io(abi.IOMMU_VEVENTQ_ALLOC, abi.VeventqAlloc, all)
  if (outcome.result === 'ok') {
    queue = outcome.get('out_veventq_id')
    fd = outcome.get('out_veventq_fd')
  }
  return outcome.result
}

/** Attaches the device through the vIOMMU; returns its vdevice. */
function attach(virtId = VIRT_ID): number {
  const fields = { viommu_id: viommu, dev_id: mock.device, virt_id: virtId }
  const vdevice = rig.made(abi.IOMMU_VDEVICE_ALLOC, abi.VdeviceAlloc, fields, 'out_vdevice_id')
  rig.replace(mock.stdev, rig.makeHwpt(rig.nestedFields(mock.device, viommu)))
  return vdevice
}

function report(times = 1): string {
  const fields = { op: abi.IOMMU_TEST_OP_TRIGGER_VEVENT, dev_id: mock.device }
  let result = ''
  for (let i = 0; i < times; i++) result = rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdTriggerVevent, fields)
  return result
}

function read(count: number, address: bigint = rig.memory(1)): string {
  return outcomeOf(() => rig.process.read(fd, address, count))
}

/** Reads as [flags, sequence, payload] an event. */
function events(count = 256): number[] {
  const address = rig.memory(1)
  const length = rig.process.read(fd, address, count)
  const words = new Uint32Array(Uint8Array.from(rig.peek(address, length)).buffer)
  return [...words]
}

describe('IOMMU_VEVENTQ_ALLOC', () => {
  test.each<[string, Fields, string]>([
    ['flags', { flags: 1 }, 'EOPNOTSUPP'],
    ['a reserved field', { __reserved: 1 }, 'EOPNOTSUPP'],
    ['type 0 before the depth', { type: 0, veventq_depth: 0 }, 'EOPNOTSUPP'],
    ['depth 0 before the vIOMMU', { veventq_depth: 0, viommu_id: 999 }, 'EINVAL'],
    ['too great a depth', { veventq_depth: 2 ** 19 + 1 }, 'EINVAL'],
    ['a depth with the highest bit', { veventq_depth: 0x80000001 }, 'EINVAL'],
    ['the greatest depth', { veventq_depth: 2 ** 19 }, 'ok'],
    ['no such vIOMMU', { viommu_id: 999 }, 'ENOENT'],
    ['a type that never reports', { type: 7 }, 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(alloc(fields)).toBe(result)
  })

  test('gives one queue a type and vIOMMU; it holds the vIOMMU, its descriptor holds it', () => {
    expect(alloc()).toBe('ok')
    expect(alloc()).toBe('EEXIST')
    expect(rig.destroy(viommu)).toBe('EBUSY')
    expect(rig.destroy(queue)).toBe('EBUSY')
    rig.process.close(fd)
    expect(rig.destroy(queue)).toBe('ok')
    expect(rig.destroy(viommu)).toBe('ok')
  })

  test('closes its descriptor on exec', () => {
    alloc()
    expect(rig.process.fcntl(fd, 1)).toBe(1)
  })
})

describe('reporting', () => {
  test('needs a device attached through a vIOMMU, an id other than 0, and a queue', () => {
    expect(report()).toBe('ENOENT')
    attach()
    expect(report()).toBe('EOPNOTSUPP')
    alloc()
    expect(report()).toBe('ok')
    rig.replace(mock.stdev, ioas)
    expect(report()).toBe('ENOENT')
  })

  test('does not need the vdevice any more, once attached', () => {
    const vdevice = attach()
    alloc()
    expect(rig.destroy(vdevice)).toBe('ok')
    expect(report()).toBe('ok')
    expect(events()).toEqual([0, 0, VIRT_ID])
  })
})

describe('an event queue', () => {
  beforeEach(() => {
    attach()
    alloc()
  })

  test('is read and polled only', () => {
    expect([read(256), read(7), read(0)]).toEqual(['ok', 'EINVAL', 'EINVAL'])
    const address = rig.memory(1)
    expect(outcomeOf(() => rig.process.write(fd, address, 8))).toBe('EINVAL')
    expect(outcomeOf(() => rig.process.write(fd, address, 0))).toBe('EINVAL')
    expect(outcomeOf(() => rig.process.pread(fd, address, 64, 0))).toBe('ESPIPE')
    expect(outcomeOf(() => rig.process.lseek(fd))).toBe('ESPIPE')
    expect(outcomeOf(() => rig.process.ioctl(fd, abi.IOMMU_DESTROY, address))).toBe('ENOTTY')
    expect(
      outcomeOf(() => Number(rig.process.mmap({ length: 4096n, prot: 3, flags: 1, fd, offset: 0n }))),
    ).toBe('ENODEV')
    expect(rig.process.poll(fd)).toBe(0)
    report()
    expect(rig.process.poll(fd)).toBe(POLL_IN | POLL_RDNORM)
  })

  test('gives whole events, whatever the length', () => {
    report()
    expect([read(7), read(8), read(11)]).toEqual(['EINVAL', 'EINVAL', 'EINVAL'])
    expect(events(13)).toEqual([0, 0, VIRT_ID])
  })

  test('loses what does not fit and says so once, at the end', () => {
    report(5)
    expect(events()).toEqual([0, 0, VIRT_ID, 0, 1, VIRT_ID, 1, 4])
    report()
    expect(events()).toEqual([0, 5, VIRT_ID])
  })

  test('forgets the marker when an event comes behind it: the gap in the numbers says it', () => {
    report(3)
    expect(events(12)).toEqual([0, 0, VIRT_ID])
    report()
    expect(events()).toEqual([0, 1, VIRT_ID, 0, 3, VIRT_ID])
  })

  test('has its marker read alone, in 8 bytes', () => {
    report(3)
    expect(events(24)).toEqual([0, 0, VIRT_ID, 0, 1, VIRT_ID])
    expect(rig.process.poll(fd)).toBe(POLL_IN | POLL_RDNORM)
    expect(read(7)).toBe('EINVAL')
    expect(events(8)).toEqual([1, 2])
    expect(rig.process.poll(fd)).toBe(0)
    expect(events()).toEqual(NOTHING)
  })

  test('loses again after room was made', () => {
    report(3)
    events(12)
    report(3)
    expect(events()).toEqual([0, 1, VIRT_ID, 0, 3, VIRT_ID, 1, 5])
  })

  test('keeps an event that could not be copied out', () => {
    report(2)
    expect(read(64, 16n)).toBe('EFAULT')
    const end = rig.memory(1) + 4096n
    expect(read(64, end - 16n)).toBe('12')
    expect(events()).toEqual([0, 1, VIRT_ID])
  })

  test('counts from INT_MAX to 0', () => {
    const object = getTyped(rig.context, queue, VeventqObject)
    const buffer = new BytesBuffer(new Uint8Array(12))
    object.sequence = 0x7fffffff
    report(2)
    object.read(buffer)
    expect(buffer.view.getUint32(4, true)).toBe(0x7fffffff)
    object.read(buffer)
    expect(buffer.view.getUint32(4, true)).toBe(0)
  })

  test('loses an event for which there is no memory', () => {
    rig.machine.world.failpoints.failNth(1, 'alloc_vevent')
    expect(report()).toBe('ENOMEM')
    report()
    expect(events()).toEqual([0, 1, VIRT_ID])
  })

  test('outlives /dev/iommu; nothing is left at the end', () => {
    rig.process.close(rig.fd)
    expect(events()).toEqual(NOTHING)
    expect(rig.leftovers()).toBe(0)
  })
})
