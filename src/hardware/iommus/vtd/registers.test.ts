// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { type VtdOptions, vtdConfig } from './config.ts'
import { ScriptedDriver } from './scripted-driver.suite.ts'

/** Bits hi:lo of a 64-bit register. */
function field(driver: ScriptedDriver, register: number, hi: number, lo: number): number {
  const value = (BigInt(driver.read(register + 4)) << 32n) | BigInt(driver.read(register))
  return Number((value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n))
}

describe('capabilities (spec/04 §1.1)', () => {
  const CAP: readonly (readonly [string, number, number, number, VtdOptions, number])[] = [
    ['ND: 2^(4 + 2n) domains', 2, 0, 6, { domainIdBits: 8 }, 2],
    ['SAGAW', 12, 8, 0b1110, { fiveLevel: false }, 0b0110],
    ['MGAW + 1', 21, 16, 56, { fiveLevel: false }, 47],
    ['FRO', 33, 24, 0x40, {}, 0x40],
    ['large pages', 37, 34, 3, { secondStage: false, nested: false }, 0],
    ['page-selective invalidation', 39, 39, 1, {}, 1],
    ['NFR + 1', 47, 40, 7, { faultRecords: 256 }, 255],
    ['MAMV', 53, 48, 63, {}, 63],
    ['1 GiB pages of the first stage', 56, 56, 1, { firstStage: false, nested: false }, 0],
    ['5 levels', 60, 60, 1, { fiveLevel: false }, 0],
  ]
  for (const [name, hi, lo, usual, options, other] of CAP) {
    test(`CAP.${name}`, () => {
      expect(field(new ScriptedDriver(), 0x08, hi, lo)).toBe(usual)
      expect(field(new ScriptedDriver({ unit: options }), 0x08, hi, lo)).toBe(other)
    })
  }

  const ECAP: readonly (readonly [string, number, number, number, VtdOptions, number])[] = [
    ['QI', 1, 1, 1, {}, 1],
    ['DT', 2, 2, 1, { ats: false, pri: false }, 0],
    ['IR: never', 3, 3, 0, {}, 0],
    ['PT', 6, 6, 1, { passThrough: false }, 0],
    ['NEST', 26, 26, 1, { nested: false }, 0],
    ['PRS', 29, 29, 1, { pri: false }, 0],
    ['ERS', 30, 30, 1, { executeRequests: false }, 0],
    ['SRS', 31, 31, 1, { supervisorRequests: false }, 0],
    ['EAFS: never', 34, 34, 0, {}, 0],
    ['PSS + 1', 39, 35, 19, { pasidBits: 8 }, 7],
    ['PASID', 40, 40, 1, { pasidBits: 0 }, 0],
    ['PDS', 42, 42, 0, { privateData: true }, 1],
    ['SMTS: always', 43, 43, 1, {}, 1],
    ['SSADS', 45, 45, 1, { dirty: false }, 0],
    ['SSTS', 46, 46, 1, { secondStage: false, nested: false }, 0],
    ['FSTS', 47, 47, 1, { firstStage: false, nested: false }, 0],
    ['SMPWCS', 48, 48, 1, {}, 1],
    ['RPS', 49, 49, 1, {}, 1],
  ]
  for (const [name, hi, lo, usual, options, other] of ECAP) {
    test(`ECAP.${name}`, () => {
      expect(field(new ScriptedDriver(), 0x10, hi, lo)).toBe(usual)
      expect(field(new ScriptedDriver({ unit: options }), 0x10, hi, lo)).toBe(other)
    })
  }

  test.each([
    { pasidBits: 21 },
    { domainIdBits: 5 },
    { faultRecords: 0 },
    { iotlbEntries: 6 },
    { firstStage: false },
  ])('a unit that cannot be: %j', (options) => {
    expect(() => vtdConfig(options)).toThrow()
  })
})

describe('registers', () => {
  test('GSTS shows what GCMD switched: RTPS stays, TES and QIES follow', () => {
    const driver = new ScriptedDriver({ off: true })
    expect([driver.read(0), driver.read(0x1c)]).toEqual([0x60, 0x44000000])
    driver.write(0x18, 0x84000000)
    expect(driver.read(0x1c)).toBe(0xc4000000)
    driver.write(0x18, 0)
    expect(driver.read(0x1c)).toBe(0x40000000)
  })

  test('addresses, and data of events, are read back', () => {
    const driver = new ScriptedDriver()
    for (const [register, value, back] of [
      [0x20, 0x12345fff, 0x12345c00],
      [0x24, 7, 7],
      [0x3c, 0x12345678, 0x5678],
      [0x40, 0xfee00007, 0xfee00004],
      [0x44, 1, 1],
      [0xa4, 2, 2],
      [0xa8, 0xfee01000, 0xfee01000],
      [0xac, 3, 3],
      [0xe4, 4, 4],
      [0xe8, 0xfee02000, 0xfee02000],
      [0xec, 5, 5],
      [0x90, 0x3fff, 0x3807],
      [0x94, 6, 6],
      [0xd0, 0x3fff, 0x3007],
      [0xd4, 8, 8],
      [0xc0, 0xffffffff, 0x7ffe0],
      [0xc8, 0xffffffff, 0x7ffe0],
    ] as const) {
      driver.write(register, value)
      expect([register, driver.read(register)]).toEqual([register, back])
    }
  })

  test('head of the invalidation queue and high words of offsets are not written', () => {
    const driver = new ScriptedDriver()
    for (const register of [0x80, 0x84, 0x8c, 0xc4, 0xcc]) driver.write(register, 0x20)
    expect([driver.read(0x80), driver.unit.registers.unknown]).toEqual([0, 0])
  })

  test('registers that do not exist are counted: reads give 0, writes vanish', () => {
    const driver = new ScriptedDriver()
    driver.write(0x28, 1)
    expect([driver.read(0x28), driver.read(0x400 + 16 * 8), driver.unit.registers.unknown]).toEqual([0, 0, 3])
  })

  test('an event that is not for the interrupt line of another', () => {
    const driver = new ScriptedDriver()
    const seen: string[] = []
    const { fault, invalidation, pageRequest } = driver.unit.interrupts
    fault.connect(() => void seen.push('fault'))
    invalidation.connect(() => void seen.push('invalidation'))
    pageRequest.connect(() => void seen.push('page request'))
    driver.simpleDevice()
    driver.wait(0x10)
    driver.run()
    driver.dma(5, 0, 0)
    driver.run()
    driver.send({})
    driver.run()
    expect(seen).toEqual(['invalidation', 'fault', 'page request'])
  })
})
