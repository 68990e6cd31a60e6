// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import { Iotlb } from '../iotlb.ts'
import * as L from './layout.ts'
import {
  ALL_DEVICE_FLAGS,
  READ_WRITE,
  RID,
  RecordingFunction,
  ScriptedDriver,
} from './scripted-driver.suite.ts'

/** One page mapped and used, so that every cache on the way holds it. */
function warm() {
  const driver = new ScriptedDriver()
  const table = driver.simpleDevice()
  table.map(0, 0x1000, 40, 1, READ_WRITE)
  expect(driver.dma(5, 0, 0x1000)).toBe(40)
  return { driver, table }
}

describe('the IOTLB is stale until invalidated', () => {
  test('an unmapped page is still reached, and no longer after INVALIDATE_IOTLB of its range', () => {
    const { driver, table } = warm()
    table.unmap(0, 0x1000, 1)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidateIotlb(1, 0, 0x1000, 12)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('another range or another domain does not help', () => {
    const { driver, table } = warm()
    table.unmap(0, 0x1000, 1)
    driver.invalidateIotlb(1, 0, 0x2000, 12)
    driver.invalidateIotlb(1, 1, 0x1000, 12)
    driver.invalidateIotlb(2)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
  })

  test.each([
    ['a larger range', 0, 0, 21],
    ['4 GiB', 0, 0, 32],
    ['more than 4 GiB', 0, 0, 40],
    ['the whole domain', 0, 0, 64],
  ])('%s covers the page', (_name, hi, lo, shift) => {
    const { driver, table } = warm()
    table.unmap(0, 0x1000, 1)
    driver.invalidateIotlb(1, hi, lo, shift)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('all domains at once', () => {
    const { driver, table } = warm()
    table.unmap(0, 0x1000, 1)
    driver.command(L.COMMAND_INVALIDATE_IOTLB | L.COMMAND_ALL, 0, 0, 0, 64)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('permissions that were taken away are stale, added ones are seen without invalidation', () => {
    const { driver, table } = warm()
    expect(driver.dma(5, 0, 0x1000, ACCESS_WRITE)).toBe(40)
    table.unmap(0, 0x1000, 1)
    table.map(0, 0x1000, 40, 1, ACCESS_READ)
    table.map(0, 0x8000, 41, 1, ACCESS_READ)
    expect(driver.dma(5, 0, 0x1000, ACCESS_WRITE)).toBe(40)
    driver.invalidateIotlb(1)
    expect(driver.dma(5, 0, 0x1000, ACCESS_WRITE)).toBe(-1)
    expect(driver.dma(5, 0, 0x8000)).toBe(41)
    table.unmap(0, 0x8000, 1)
    table.map(0, 0x8000, 42, 1, READ_WRITE)
    expect(driver.dma(5, 0, 0x8000, ACCESS_WRITE)).toBe(42)
  })

  test('what a privileged request filled does not serve an unprivileged one', () => {
    const { driver, table } = warm()
    table.map(0, 0x3000, 43, 1, ACCESS_READ | 8)
    expect(driver.dma(5, 0, 0x3000, ACCESS_READ | 8)).toBe(43)
    expect(driver.dma(5, 0, 0x3000, ACCESS_READ)).toBe(-1)
  })
})

describe('the PASID cache is stale until invalidated', () => {
  test('a PASID entry that was taken away still translates, until INVALIDATE_PASID', () => {
    const { driver } = warm()
    driver.setSpace(RID, 5, { flags: 0 })
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidatePasid(RID, 6)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidatePasid(RID, 5)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('without a PASID the command drops the space of requests without PASID', () => {
    const { driver } = warm()
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(40)
    driver.setSpace(RID, NO_PASID, { type: L.SPACE_BLOCKED })
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(40)
    driver.invalidatePasid(RID, NO_PASID)
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(-1)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
  })

  test('all PASIDs of a device at once', () => {
    const { driver } = warm()
    driver.setSpace(RID, 5, { flags: 0 })
    driver.command(L.COMMAND_INVALIDATE_PASID | L.COMMAND_ALL | (RID << L.COMMAND_RID_SHIFT))
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('a new entry with a new domain needs only the PASID invalidated', () => {
    const { driver } = warm()
    const other = driver.pageTable()
    other.map(0, 0x1000, 50, 1, ACCESS_READ)
    driver.setSpace(RID, 5, { root: other.root, domain: 2 })
    driver.invalidatePasid(RID, 5)
    expect(driver.dma(5, 0, 0x1000)).toBe(50)
  })

  test('a new table under the old domain is hidden by the IOTLB until that is invalidated too', () => {
    const { driver } = warm()
    const other = driver.pageTable()
    other.map(0, 0x1000, 50, 1, ACCESS_READ)
    driver.setSpace(RID, 5, { root: other.root, domain: 1 })
    driver.invalidatePasid(RID, 5)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidateIotlb(1)
    expect(driver.dma(5, 0, 0x1000)).toBe(50)
  })
})

describe('the context cache is stale until invalidated', () => {
  test('a device entry that was taken away still counts, until INVALIDATE_CONTEXT', () => {
    const { driver } = warm()
    driver.setDevice(RID, 0)
    driver.invalidatePasid(RID, 5)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidateContext(RID + 1)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidateContext(RID)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('INVALIDATE_CONTEXT of all devices', () => {
    const { driver } = warm()
    driver.setDevice(RID, 0)
    driver.command(L.COMMAND_INVALIDATE_CONTEXT | L.COMMAND_ALL)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
  })

  test('entries that are not valid are not cached', () => {
    const driver = new ScriptedDriver()
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
    const table = driver.simpleDevice()
    table.map(0, 0x1000, 40, 1, ACCESS_READ)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    expect(driver.dma(6, 0, 0x1000)).toBe(-1)
    driver.setSpace(RID, 6, { root: table.root })
    expect(driver.dma(6, 0, 0x1000)).toBe(40)
  })

  test('the PRI bit is as stale as the entry', () => {
    const { driver } = warm()
    const port = new RecordingFunction(driver.unit)
    driver.unit.connect(port)
    const request = { rid: RID, pasid: 5, addressHi: 0, addressLo: 0, grpid: 1, access: 1, last: true }
    driver.setDevice(RID, ALL_DEVICE_FLAGS & ~L.DEVICE_PRI)
    driver.unit.pageRequest({ ...request, private0: 0, private1: 0 })
    expect(driver.takeRequests()).toHaveLength(1)
    driver.invalidateContext(RID)
    driver.unit.pageRequest({ ...request, private0: 0, private1: 0 })
    expect(driver.takeRequests()).toHaveLength(0)
  })
})

describe('Iotlb', () => {
  test('4096 consecutive pages fit in 4096 entries', () => {
    const iotlb = new Iotlb(4096)
    for (let page = 0; page < 4096; page++) iotlb.insert(1, 0, page << 12, page + 1, ACCESS_READ)
    expect(iotlb.used).toBe(4096)
    for (let page = 0; page < 4096; page++) {
      const at = iotlb.find(1, 0, (page << 12) | 5, ACCESS_READ)
      expect(iotlb.words[at + 3]).toBe(page + 1)
    }
  })

  test('a fifth page of a set drives another one out', () => {
    const iotlb = new Iotlb(4)
    for (let page = 0; page < 5; page++) iotlb.insert(1, 0, page << 12, page, ACCESS_READ)
    const found = [0, 1, 2, 3, 4].filter((page) => iotlb.find(1, 0, page << 12, ACCESS_READ) >= 0)
    expect(found).toHaveLength(4)
    expect(found).toContain(4)
  })

  test('page 0 of domain 0 is an ordinary page', () => {
    const iotlb = new Iotlb(16)
    expect(iotlb.find(0, 0, 0, 0)).toBe(-1)
    iotlb.insert(0, 0, 0, 7, ACCESS_READ)
    expect(iotlb.find(0, 0, 0, ACCESS_READ)).toBeGreaterThanOrEqual(0)
  })

  test.each([
    [12, 0x5000, [4, 6, 7]],
    [13, 0x4000, [6, 7]],
    [14, 0x4000, []],
  ])('a range of 2^%i at 0x%s leaves the pages beside it', (shift, lo, left) => {
    for (const entries of [4, 64]) {
      const iotlb = new Iotlb(entries)
      for (let page = 4; page < 8; page++) iotlb.insert(1, 3, page << 12, page, ACCESS_READ)
      iotlb.invalidate(1, 3, lo, shift)
      expect([4, 5, 6, 7].filter((page) => iotlb.find(1, 3, page << 12, ACCESS_READ) >= 0)).toEqual(left)
    }
  })

  test('ranges above 4 GiB compare high address bits', () => {
    const iotlb = new Iotlb(64)
    for (const hi of [0x10, 0x11, 0x12, -1]) iotlb.insert(1, hi, 0x7000, 1, ACCESS_READ)
    iotlb.invalidate(1, 0x10, 0, 33)
    expect([0x10, 0x11, 0x12, -1].filter((hi) => iotlb.find(1, hi, 0x7000, 1) >= 0)).toEqual([0x12, -1])
    iotlb.invalidate(1, 0x80000000 | 0, 0, 63)
    expect([0x12, -1].filter((hi) => iotlb.find(1, hi, 0x7000, 1) >= 0)).toEqual([0x12])
  })
})
