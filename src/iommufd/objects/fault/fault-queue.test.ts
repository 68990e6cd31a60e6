// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { type HwptPgfault, decodeFaults, encodeResponses } from '../../abi/index.ts'
import type { BoundDevice } from '../../door/device.ts'
import type { FaultQueue } from '../../door/fault-queue.ts'
import type { Hwpt } from '../../door/hwpt.ts'
import { FakeMachine, codeOf } from '../../fake-machine.suite.ts'
import { POLL_IN, POLL_OUT, POLL_RDNORM } from '../../files.ts'
import type { Iommufd } from '../../iommufd.ts'
import { Process } from '../../process.ts'

const READABLE = POLL_IN | POLL_RDNORM | POLL_OUT

let machine: FakeMachine
let iommufd: Iommufd
let device: BoundDevice
let queue: FaultQueue
let hwpt: Hwpt

beforeEach(() => {
  machine = new FakeMachine()
  iommufd = machine.open()
  device = iommufd.bind('dev0')
  queue = iommufd.allocFaultQueue()
  hwpt = iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: queue, pasid: true })
  device.attach(hwpt)
})

function read(count: number): HwptPgfault[] {
  const buffer = new Uint8Array(count)
  return decodeFaults(buffer, queue.read(buffer))
}

function write(...responses: (readonly [cookie: number, code: number])[]): number {
  return queue.write(encodeResponses(responses.map(([cookie, code]) => ({ cookie, code }))))
}

function trigger(grpid: number, count = 1, pasid?: number): void {
  const where = pasid === undefined ? { grpid } : { grpid, pasid }
  for (let i = 1; i <= count; i++) machine.report({ ...where, last: i === count, address: i * 0x1000 })
}

/** Reads a new group; its cookie. */
function readOne(): number {
  trigger(1)
  return read(40)[0]!.cookie
}

const cookies = (records: readonly HwptPgfault[]): number[] => records.map((record) => record.cookie)

describe('spec/02 §6.7', () => {
  test('1: a read with nothing queued gives 0', () => {
    expect(queue.read(new Uint8Array(40))).toBe(0)
  })

  test('2: a queued fault makes the queue readable', () => {
    trigger(2)
    expect(queue.poll()).toBe(READABLE)
  })

  test('3: a read takes the fault under cookie 1 and leaves only OUT', () => {
    trigger(2)
    const [record] = read(40)
    expect(record).toMatchObject({
      flags: 2,
      pasid: 0,
      grpid: 2,
      cookie: 1,
      perm: 1,
      addr_hi: 0,
      addr_lo: 0x1000,
      length: 0,
      __reserved: 0,
      dev_id: device.id,
    })
    expect(queue.poll()).toBe(POLL_OUT)
  })

  test('4: two groups in a read for three, with the next cookies', () => {
    trigger(1)
    read(40)
    trigger(2)
    trigger(3)
    const buffer = new Uint8Array(120)
    expect(queue.read(buffer)).toBe(80)
    expect(cookies(decodeFaults(buffer, 80))).toEqual([2, 3])
  })

  test('5: a write stops at an unknown cookie, whose error shows only when it comes first', () => {
    trigger(1)
    read(40)
    expect(write([1, 0], [9, 0])).toBe(8)
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 SUCCESS'])
    expect(codeOf(() => write([9, 0]))).toBe('EINVAL')
  })

  test('6: the lowest free cookie is used again', () => {
    trigger(1)
    trigger(2)
    trigger(3)
    expect(cookies(read(120))).toEqual([1, 2, 3])
    write([1, 0])
    trigger(4)
    expect(cookies(read(40))).toEqual([1])
  })

  test('7: code 2 is refused and the cookie stays valid', () => {
    trigger(1)
    trigger(2)
    read(80)
    expect(codeOf(() => write([2, 2]))).toBe('EINVAL')
    expect(write([2, 1])).toBe(8)
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 2 INVALID'])
  })

  test('8: a group that does not fit stays; then its records share a cookie and only the last has LAST_PAGE', () => {
    trigger(5, 3)
    expect(codeOf(() => read(80))).toBe('EINVAL')
    const records = read(120)
    expect(cookies(records)).toEqual([1, 1, 1])
    expect(records.map((record) => record.flags)).toEqual([0, 0, 2])
    expect(records.map((record) => record.addr_lo)).toEqual([0x1000, 0x2000, 0x3000])
  })

  test('9: a read ends before a group that no longer fits', () => {
    trigger(1)
    trigger(2, 3)
    expect(read(120)).toHaveLength(1)
    expect(read(120)).toHaveLength(3)
  })

  test('10: a read of 0 bytes is EINVAL with something queued, 0 without', () => {
    expect(queue.read(new Uint8Array(0))).toBe(0)
    trigger(1)
    expect(codeOf(() => read(0))).toBe('EINVAL')
  })

  test('11: a read of 41 bytes is ESPIPE, and so is one longer than a read may be, and seeking', () => {
    trigger(1)
    expect(codeOf(() => read(41))).toBe('ESPIPE')
    expect(codeOf(() => machine.process.read(queue.fd, 0x1000n, 0x8000_0000n))).toBe('ESPIPE')
    expect(codeOf(() => machine.process.lseek(queue.fd))).toBe('ESPIPE')
  })

  test('12: a bad buffer is EFAULT; the group comes again under the same lowest free cookie', () => {
    trigger(1)
    expect(codeOf(() => machine.process.read(queue.fd, 0n, 40))).toBe('EFAULT')
    expect(queue.poll()).toBe(READABLE)
    expect(cookies(read(40))).toEqual([1])
  })

  test('13: replacing the page table answers INVALID, and the cookie is unknown then', () => {
    trigger(1)
    read(40)
    device.replace(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: queue }))
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 INVALID'])
    expect(codeOf(() => write([1, 0]))).toBe('EINVAL')
  })

  test('14: a closed queue is destroyed after its page table, that after the detach, which answers INVALID', () => {
    trigger(1)
    read(40)
    queue.close()
    expect(codeOf(() => queue.destroy())).toBe('EBUSY')
    expect(codeOf(() => hwpt.destroy())).toBe('EBUSY')
    expect(machine.iommu.takeAnswers()).toEqual([])
    device.detach()
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 INVALID'])
    hwpt.destroy()
    queue.destroy()
  })

  test('15: an open queue without page table is EBUSY until it is closed', () => {
    const other = iommufd.allocFaultQueue()
    expect(codeOf(() => other.destroy())).toBe('EBUSY')
    other.close()
    other.destroy()
    expect(codeOf(() => other.destroy())).toBe('ENOENT')
  })

  test('16: each group goes to one of two readers', () => {
    trigger(1)
    trigger(2)
    expect([...read(40), ...read(40)].map((record) => record.grpid)).toEqual([1, 2])
    expect(read(40)).toEqual([])
  })

  test('17: a duplicate is the same queue, works in another process, and the last close releases', () => {
    const { process } = machine
    const other = new Process({ mm: machine.mm })
    const duplicate = process.files.dup(queue.fd)
    const passed = other.files.open(process.files.get(queue.fd))
    trigger(1)
    expect(process.read(duplicate, 0x1000n, 40)).toBe(40)
    queue.close()
    process.files.close(duplicate)
    machine.mm.bytes.set(encodeResponses([{ cookie: 1, code: 0 }]), 0x2000)
    expect(other.write(passed, 0x2000n, 8)).toBe(8)
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 SUCCESS'])
    device.detach()
    hwpt.destroy()
    expect(codeOf(() => queue.destroy())).toBe('EBUSY')
    other.files.close(passed)
    queue.destroy()
  })
})

describe('a fault queue', () => {
  test('refuses writes that are no multiple of 8 bytes and takes none for nothing (spec/02 §6.3)', () => {
    expect(codeOf(() => queue.write(new Uint8Array(7)))).toBe('ESPIPE')
    expect(queue.write(new Uint8Array(0))).toBe(0)
    expect(codeOf(() => machine.process.write(queue.fd, 0n, 8))).toBe('EFAULT')
  })

  test('answers EFAULT for a buffer that leaves the address space (spec/02 §12)', () => {
    expect(codeOf(() => machine.process.read(queue.fd, 0x7fff_ffff_e000n, 0x4001))).toBe('EFAULT')
    expect(codeOf(() => machine.process.read(queue.fd, 2n ** 64n - 40n, 40))).toBe('EFAULT')
  })

  test('gives records of PASIDs their PASID and flag', () => {
    device.attach(hwpt, { pasid: 7 })
    trigger(1, 1, 7)
    expect(read(40)).toMatchObject([{ flags: 3, pasid: 7, grpid: 1 }])
  })

  test('answers at detach newest queued first, then by ascending cookie; other PASIDs keep theirs (spec/02 §6.5)', () => {
    device.attach(hwpt, { pasid: 7 })
    for (const grpid of [1, 2, 3]) trigger(grpid)
    trigger(9, 1, 7)
    read(120)
    write([2, 0])
    machine.iommu.takeAnswers()
    trigger(4)
    trigger(5)
    trigger(6, 1, 7)
    device.detach()
    expect(machine.iommu.takeAnswers()).toEqual([5, 4, 1, 3].map((grpid) => `dev0 grpid ${grpid} INVALID`))
    expect(read(80).map((record) => record.grpid)).toEqual([9, 6])
  })

  test('is written by cookie of any device on it', () => {
    const second = iommufd.bind('dev1')
    second.attach(hwpt)
    trigger(1)
    machine.report({ device: 1, grpid: 1 })
    const records = read(80)
    expect(records.map((record) => record.dev_id)).toEqual([device.id, second.id])
    write([2, 1], [1, 0])
    expect(machine.iommu.takeAnswers()).toEqual(['dev1 grpid 1 INVALID', 'dev0 grpid 1 SUCCESS'])
  })

  test('answers everything INVALID at the end of the context', () => {
    trigger(1)
    trigger(2)
    read(40)
    machine.process.exit()
    expect(machine.iommu.takeAnswers().sort()).toEqual(['dev0 grpid 1 INVALID', 'dev0 grpid 2 INVALID'])
  })

  test('keeps groups that nobody can read any more until the detach (spec/02 §6.3 release)', () => {
    queue.close()
    trigger(1)
    expect(machine.iommu.takeAnswers()).toEqual([])
    device.detach()
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 INVALID'])
  })
})

/** Observed on 7.2.13 (ext): every sequence of 7 reads and answers to the cookies 0, 1 and 2. */
describe('an answer to cookie 0', () => {
  test('is refused and makes 0 the next cookie when a group is awaited', () => {
    expect(readOne()).toBe(1)
    expect(codeOf(() => write([0, 0]))).toBe('EINVAL')
    expect([readOne(), readOne()]).toEqual([0, 2])
    machine.iommu.takeAnswers()
    expect(write([0, 1])).toBe(8)
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 INVALID'])
  })

  test('changes nothing while no group is awaited, or with a code that is refused', () => {
    expect(codeOf(() => write([0, 0]))).toBe('EINVAL')
    expect(readOne()).toBe(1)
    expect(codeOf(() => write([0, 2]))).toBe('EINVAL')
    expect(readOne()).toBe(2)
  })

  test('leaves 0 free for good, also once everything is answered', () => {
    readOne()
    expect(write([1, 0], [0, 0])).toBe(8)
    expect(readOne()).toBe(1)
    expect(codeOf(() => write([0, 0]))).toBe('EINVAL')
    expect(write([1, 0])).toBe(8)
    expect([readOne(), readOne()]).toEqual([0, 1])
  })

  test('detaching answers cookie 0 before the others', () => {
    readOne()
    expect(codeOf(() => write([0, 0]))).toBe('EINVAL')
    trigger(7)
    expect(cookies(read(40))).toEqual([0])
    machine.iommu.takeAnswers()
    device.detach()
    expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 7 INVALID', 'dev0 grpid 1 INVALID'])
    expect(codeOf(() => write([0, 0]))).toBe('EINVAL')
  })
})
