// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Ats, InvalidationTags } from './ats.ts'
import { ATS_CAPABILITY, ATS_CONTROL, ATS_ENABLE, CAPABILITY_ATS } from './config-layout.ts'
import { FunctionConfigSpace } from './config-space.ts'

function setUp(invalidateQueueDepth: number) {
  let disabled = 0
  const ats = new Ats({ invalidateQueueDepth }, () => disabled++)
  const space = new FunctionConfigSpace([ats])
  return { ats, space, at: space.findCapability(CAPABILITY_ATS), disabled: () => disabled }
}

describe('ATS registers (spec/01 §6.1)', () => {
  test('queue depth 32 reads as 0 in QDEP, and requests are page-aligned (bit 5)', () => {
    const { space, at } = setUp(32)
    expect(space.read16(at + ATS_CAPABILITY)).toBe(0x20)
  })

  test('a smaller queue depth reads as itself', () => {
    const { space, at } = setUp(4)
    expect(space.read16(at + ATS_CAPABILITY)).toBe(0x24)
  })

  test('the smallest translation unit is fixed while enabled', () => {
    const { ats, space, at } = setUp(32)
    space.write16(at + ATS_CONTROL, ATS_ENABLE | 3)
    expect(space.read16(at + ATS_CONTROL)).toBe(0x8003)
    space.write16(at + ATS_CONTROL, ATS_ENABLE | 5)
    expect(ats.stu).toBe(3)
    expect(ats.enabled).toBe(true)
  })

  test('disabling tells the function to forget its translations', () => {
    const { ats, space, at, disabled } = setUp(32)
    space.write16(at + ATS_CONTROL, ATS_ENABLE)
    space.write16(at + ATS_CONTROL, 0)
    space.write16(at + ATS_CONTROL, 0)
    expect(ats.enabled).toBe(false)
    expect(disabled()).toBe(1)
  })
})

describe('invalidation tags (spec/01 §6.3)', () => {
  test('are 5 bits: 32 at a time', () => {
    const tags = new InvalidationTags(32)
    expect(Array.from({ length: 33 }, () => tags.take())).toEqual([...Array(32).keys(), -1])
  })

  test('are no more than the function can hold', () => {
    const tags = new InvalidationTags(2)
    expect([tags.take(), tags.take(), tags.take()]).toEqual([0, 1, -1])
  })

  test('a completion vector completes several at once, and only those outstanding', () => {
    const tags = new InvalidationTags(32)
    for (let i = 0; i < 32; i++) tags.take()
    expect(tags.complete(0x80000001 | 0)).toBe(2)
    expect(tags.complete(0x80000003 | 0)).toBe(1)
    expect(tags.count).toBe(29)
    expect(tags.take()).toBe(0)
  })
})
