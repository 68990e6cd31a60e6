// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { MEMORY, MockRig } from './mock-rig.suite.ts'

// Observed on the extended 7.2.13 kernel.
const FAULT = 0x1000
const LOG = 0x1001
const QUEUE = 0x1002
const TRIGGER = 15
const REPLACE = 10
const DISCARD_PARTIAL = 0
const FLUSH_DEVICE = 1
const COUNTS = 2
const LAST = 2
const WITH_FAULTS = 4
const RECORDS: number = MEMORY + 0x200000
const READ: number = MEMORY + 0x300000

class Rig extends MockRig {
  readonly ioas: number
  readonly stdev: number
  readonly device: number

  constructor(extended = true) {
    super({ extended })
    this.ioas = this.allocIoas()
    ;({ stdev: this.stdev, device: this.device } = this.mockDevice(this.ioas))
  }

  /** A fault queue behind the device; returns its descriptor. */
  enableFaults(): number {
    const { words } = this.ioctl(0x3b8e, [16, 0, 0, 0])
    const hwpt = this.allocHwpt(this.device, this.ioas, { flags: WITH_FAULTS, fault: words[2]! }).words[4]!
    this.test(REPLACE, this.stdev, [hwpt])
    return words[3]!
  }

  /** What the core said. */
  fault(flags: number, grpid: number, type = 1, device = this.device): string | number {
    const { result, words } = this.test(FAULT, 0, [device, type, flags, 0, grpid, 1, 0x1000, 0, 0])
    return result === 0 ? words[12]! | 0 : result
  }

  /** Group and code of each response, and how many were lost. */
  log(max: number, user = RECORDS): string {
    const { result, words } = this.test(LOG, 0, [user, 0, max, 0, 0])
    if (result !== 0) return String(result)
    const records = this.load(RECORDS, words[7]! * 10)
    const texts = Array.from({ length: words[7]! }, (_, i) => {
      const [mock, , , group, , , , , code, sequence] = records.subarray(i * 10)
      return `mock ${mock} group ${group} code ${code} no. ${sequence}`
    })
    return [...texts, `lost ${words[8]}`].join('; ')
  }

  queue(sub: number, device = this.device): string {
    const { result, words } = this.test(QUEUE, 0, [sub, device, 77, 78, 79, 80])
    return result === 0 ? [...words.subarray(6, 10)].map((word) => word | 0).join(' ') : String(result)
  }
}

test.each([FAULT, LOG, QUEUE])('operation %i is only there in an extended machine', (op) => {
  const rig = new Rig(false)
  expect(rig.testResult(op, 0, [])).toBe('EOPNOTSUPP')
  expect(rig.end()).toBe(0)
})

describe('faults and their responses', () => {
  test('without a handler a page request is answered INVALID, another type not at all', () => {
    const rig = new Rig()
    expect([rig.fault(LAST, 1), rig.fault(LAST, 2, 5), rig.fault(0, 3), rig.fault(LAST, 4, 1, 999)]).toEqual([
      -22,
      -22,
      -22,
      'ENOENT',
    ])
    expect(rig.log(9)).toBe('mock 0 group 1 code 1 no. 1; mock 0 group 3 code 1 no. 2; lost 0')
    expect(rig.end()).toBe(0)
  })

  test('a group is answered once, with its last request', () => {
    const rig = new Rig()
    const faults = rig.enableFaults()
    expect([rig.fault(0, 10), rig.fault(0, 11), rig.fault(LAST, 10)]).toEqual([0, 0, 0])
    expect(rig.queue(COUNTS)).toBe('0 1 0 2')
    expect(rig.process.read(faults, BigInt(READ), 160)).toBe(80)
    rig.store(READ, [1, 0])
    expect(rig.process.write(faults, BigInt(READ), 8)).toBe(8)
    expect([rig.log(9), rig.queue(COUNTS)]).toEqual(['mock 0 group 10 code 0 no. 1; lost 0', '0 1 0 1'])
    expect(rig.end()).toBe(0)
  })

  test('a record that cannot be delivered is gone', () => {
    const rig = new Rig()
    for (const group of [1, 2, 3]) rig.fault(LAST, group)
    expect(rig.log(0, 0)).toBe('lost 0')
    expect(rig.log(9, 8)).toBe('EFAULT')
    expect(rig.log(1)).toBe('mock 0 group 2 code 1 no. 2; lost 0')
    expect(rig.log(9)).toBe('mock 0 group 3 code 1 no. 3; lost 0')
    expect(rig.end()).toBe(0)
  })

  test('4096 are kept; how many were lost is never forgotten', () => {
    const rig = new Rig()
    for (let group = 0; group < 4100; group++) rig.fault(LAST, group)
    expect(rig.log(4096)).toMatch(/group 4095 code 1 no\. 4096; lost 4$/)
    rig.fault(LAST, 7)
    expect(rig.log(9)).toBe('mock 0 group 7 code 1 no. 4101; lost 4')
    expect(rig.end()).toBe(0)
  })

  test('a mock has the lowest free number of all contexts', () => {
    const rig = new Rig()
    const other = rig.process.open('/dev/iommu')
    rig.ioctl(0x3b81, [12, 0, 0], { fd: other })
    rig.test(2, 1, [], { fd: other })
    rig.test(TRIGGER, 0, [3, 0, 5, 1, 0, 0], { fd: other })
    rig.destroy(rig.stdev)
    const { device } = rig.mockDevice(rig.ioas)
    rig.fault(LAST, 6, 1, device)
    expect(rig.log(9)).toBe('mock 1 group 5 code 1 no. 1; mock 0 group 6 code 1 no. 2; lost 0')
    expect(rig.end()).toBe(0)
  })

  test('the answer of an operation that cannot be delivered: it has been done', () => {
    const rig = new Rig()
    rig.enableFaults()
    expect(rig.testResult(FAULT, 0, [rig.device, 1, LAST, 0, 1, 1, 0, 0], { readOnly: true })).toBe('EFAULT')
    expect(rig.queue(COUNTS)).toBe('0 0 0 2')
    expect(rig.testResult(QUEUE, 0, [COUNTS, rig.device], { readOnly: true })).toBe('EFAULT')
    expect(rig.end()).toBe(0)
  })
})

describe('the fault queue', () => {
  test('a device that is on none: -19', () => {
    const rig = new Rig()
    expect([rig.queue(FLUSH_DEVICE), rig.queue(COUNTS)]).toEqual(['-19 78 79 80', '-19 0 0 0'])
    expect([rig.queue(DISCARD_PARTIAL), rig.queue(DISCARD_PARTIAL, 999)]).toEqual([
      '0 78 79 80',
      '0 78 79 80',
    ])
    expect([rig.queue(3), rig.queue(3, 999), rig.queue(COUNTS, 999)]).toEqual([
      'EOPNOTSUPP',
      'ENOENT',
      'ENOENT',
    ])
    expect(rig.end()).toBe(0)
  })

  test('open groups are discarded for every device', () => {
    const rig = new Rig()
    rig.enableFaults()
    rig.fault(0, 9)
    expect([rig.queue(COUNTS), rig.queue(FLUSH_DEVICE)]).toEqual(['0 1 0 1', '0 78 79 80'])
    expect([rig.queue(DISCARD_PARTIAL, 999), rig.queue(COUNTS)]).toEqual(['0 78 79 80', '0 0 0 1'])
    expect(rig.end()).toBe(0)
  })
})
