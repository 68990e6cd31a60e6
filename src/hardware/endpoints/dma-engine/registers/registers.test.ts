// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { EngineRig } from '../engine-rig.suite.ts'
import { EduRegisters } from './edu.ts'
import { EngineRegisters } from './engine-registers.ts'
import { PASID_VALID, type RegisterSet } from './register-set.ts'

const WITH_PASID = PASID_VALID | 5

function load(registers: RegisterSet, offset: number, bytes: number = 4): number {
  registers.read(offset, bytes)
  return (bytes === 8 ? (registers.hi >>> 0) * 2 ** 32 : 0) + (registers.lo >>> 0)
}

function store(registers: RegisterSet, offset: number, value: number, bytes: number = 4): void {
  registers.write(offset, bytes, Math.floor(value / 2 ** 32) | 0, value | 0)
}

function edu(): { rig: EngineRig; registers: EduRegisters; interrupts: number[] } {
  const rig = new EngineRig()
  const registers = new EduRegisters(rig.driver.world, rig.engine)
  const interrupts: number[] = []
  registers.onInterrupt = () => interrupts.push(load(registers, 0x24))
  return { rig, registers, interrupts }
}

describe('the registers of edu', () => {
  it('identify the device and invert what liveness is given', () => {
    const { registers } = edu()
    expect(load(registers, 0x00)).toBe(0x010000ed)
    store(registers, 0x04, 0x12345678)
    expect(load(registers, 0x04)).toBe(0xedcba987)
    expect(registers.identity).toMatchObject({ vendor: 0x1234, device: 0x11e8 })
  })

  it.each([
    [0, 1],
    [5, 120],
    [12, 479001600],
    [13, 1932053504],
    [0xffffffff, 0],
  ])('compute the factorial of %i in 32 bits', (value, expected) => {
    const { rig, registers, interrupts } = edu()
    store(registers, 0x20, 0x80)
    store(registers, 0x08, value)
    expect(load(registers, 0x20)).toBe(0x81)
    rig.settle()
    expect([load(registers, 0x08), load(registers, 0x20)]).toEqual([expected, 0x80])
    expect(interrupts).toEqual([1])
  })

  it('raise and acknowledge interrupts', () => {
    const { registers, interrupts } = edu()
    store(registers, 0x60, 0x6)
    store(registers, 0x64, 0x2)
    expect([load(registers, 0x24), registers.interrupting]).toEqual([4, true])
    store(registers, 0x64, 0x4)
    expect([registers.interrupting, interrupts]).toEqual([false, [6]])
  })

  it('move bytes to RAM and back through page faults', () => {
    const { rig, registers, interrupts } = edu()
    store(registers, 0xa0, WITH_PASID)
    store(registers, 0x40000, 0x11223344)
    store(registers, 0x40004, 0x55667788)
    store(registers, 0x80, 0x40000, 8)
    store(registers, 0x88, 0x5ffe, 8)
    store(registers, 0x90, 8, 8)
    store(registers, 0x98, 0x7, 8)
    expect(load(registers, 0x98)).toBe(0x7)
    rig.settle()
    expect([load(registers, 0x98), load(registers, 0xa8)]).toEqual([0x6, 0])
    expect(rig.bytes(0x5ffen, 8)).toEqual([0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55])
    expect([interrupts, rig.groups.length]).toEqual([[0x100], 2])
    store(registers, 0x80, 0x5ffe, 8)
    store(registers, 0x88, 0x40010, 8)
    store(registers, 0x98, 0x1, 8)
    rig.settle()
    expect(load(registers, 0x40010, 8)).toBe(0x55667788 * 2 ** 32 + 0x11223344)
  })

  it('say how a DMA ended that could not be done', () => {
    const { rig, registers } = edu()
    rig.answer = () => 1
    store(registers, 0xa0, WITH_PASID)
    store(registers, 0x80, 0x40000)
    store(registers, 0x90, 4096)
    store(registers, 0x88, 0x1000)
    store(registers, 0x98, 0x3)
    rig.settle()
    expect(load(registers, 0xa8)).not.toBe(0)
    store(registers, 0x90, 4097)
    store(registers, 0x98, 0x3)
    expect([load(registers, 0xa8), load(registers, 0x98)]).toEqual([0x100, 0x2])
  })

  it('want the right width', () => {
    const { registers } = edu()
    expect(load(registers, 0x00, 1)).toBe(0xffffffff)
    expect(load(registers, 0x1000)).toBe(0xffffffff)
    store(registers, 0x04, 7, 2)
    expect(load(registers, 0x04)).toBe(0)
  })

  it('forget everything at a reset', () => {
    const { registers } = edu()
    store(registers, 0x60, 1)
    store(registers, 0x40000, 1)
    registers.reset()
    expect([registers.interrupting, load(registers, 0x40000)]).toEqual([false, 0])
  })
})

function engine(): { rig: EngineRig; registers: EngineRegisters; raised: () => number } {
  const rig = new EngineRig()
  const registers = new EngineRegisters(rig.engine)
  let raised = 0
  registers.onInterrupt = () => raised++
  store(registers, 0x28, WITH_PASID)
  return { rig, registers, raised: () => raised }
}

describe('the registers of the engine', () => {
  it('fill and copy, and tell of each completion in order', () => {
    const { rig, registers, raised } = engine()
    store(registers, 0x18, 0x1_0000_0010, 8)
    store(registers, 0x20, 3, 8)
    store(registers, 0x2c, 1)
    store(registers, 0x30, 0xab)
    store(registers, 0x34, 77)
    expect([load(registers, 0x08), load(registers, 0x40)]).toEqual([1, 0])
    rig.settle()
    store(registers, 0x10, 0x1_0000_0010, 8)
    store(registers, 0x18, 0x2000, 8)
    store(registers, 0x2c, 0)
    store(registers, 0x34, 78)
    rig.settle()
    expect(rig.bytes(0x2000n, 3)).toEqual([0xab, 0xab, 0xab])
    expect([load(registers, 0x40), load(registers, 0x44), load(registers, 0x48)]).toEqual([2, 77, 0])
    expect([load(registers, 0x4c), load(registers, 0x50, 8)]).toEqual([1, 3])
    store(registers, 0x58, 0)
    expect([load(registers, 0x40), load(registers, 0x44)]).toEqual([1, 78])
    store(registers, 0x58, 0)
    expect([load(registers, 0x40), load(registers, 0x60), raised()]).toEqual([0, 1, 2])
    store(registers, 0x64, 1)
    expect(registers.interrupting).toBe(false)
  })

  it('refuse what is no transfer, and one too many', () => {
    const { registers } = engine()
    store(registers, 0x2c, 9)
    store(registers, 0x34, 1)
    expect([load(registers, 0x60), load(registers, 0x08)]).toEqual([2, 0])
    store(registers, 0x64, 2)
    store(registers, 0x2c, 1)
    for (let tag = 0; tag <= 1024; tag++) store(registers, 0x34, tag)
    expect([load(registers, 0x60) & 2, load(registers, 0x08)]).toEqual([2, 1024])
  })

  it('abort everything at a reset', () => {
    const { rig, registers } = engine()
    rig.answer = () => undefined
    store(registers, 0x18, 0x1000)
    store(registers, 0x20, 4096)
    store(registers, 0x2c, 1)
    store(registers, 0x34, 1)
    rig.settle()
    store(registers, 0x0c, 1)
    rig.settle()
    expect([load(registers, 0x08), load(registers, 0x40), rig.engine.inFlight]).toEqual([0, 0, 0])
  })
})
