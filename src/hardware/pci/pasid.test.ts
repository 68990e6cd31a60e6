// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Ats } from './ats.ts'
import {
  ATS_CONTROL,
  ATS_ENABLE,
  CAPABILITY_ATS,
  CAPABILITY_PASID,
  CAPABILITY_PRI,
  PASID_CAPABILITY,
  PASID_CONTROL,
  PASID_ENABLE,
  PASID_EXEC,
  PASID_PRIV,
} from './config-layout.ts'
import { FunctionConfigSpace } from './config-space.ts'
import { ACCESS_PRIV } from './messages.ts'
import { PasidCapability } from './pasid.ts'

function setUp() {
  const ats = new Ats({ invalidateQueueDepth: 32 }, () => undefined)
  const pasid = new PasidCapability({ width: 8, exec: false, priv: true }, ats)
  const space = new FunctionConfigSpace([ats, pasid])
  const at = space.findCapability(CAPABILITY_PASID)
  return { pasid, space, at, atsAt: space.findCapability(CAPABILITY_ATS) }
}

describe('PASID registers (spec/01 §6.1)', () => {
  test('width stands in bits 12:8, Priv in bit 2, and missing Exec is 0', () => {
    const { space, at } = setUp()
    expect(space.read16(at + PASID_CAPABILITY)).toBe(0x0804)
  })

  test('features that the function lacks cannot be enabled', () => {
    const { pasid, space, at } = setUp()
    space.write16(at + PASID_CONTROL, PASID_ENABLE | PASID_EXEC | PASID_PRIV)
    expect(space.read16(at + PASID_CONTROL)).toBe(PASID_ENABLE | PASID_PRIV)
    expect(pasid.prefixAccess).toBe(ACCESS_PRIV)
  })

  test('control is fixed while ATS is enabled: PASID before ATS (spec/01 §6.3)', () => {
    const { pasid, space, at, atsAt } = setUp()
    space.write16(atsAt + ATS_CONTROL, ATS_ENABLE)
    space.write16(at + PASID_CONTROL, PASID_ENABLE)
    expect(pasid.enabled).toBe(false)
    space.write16(atsAt + ATS_CONTROL, 0)
    space.write16(at + PASID_CONTROL, PASID_ENABLE)
    space.write16(atsAt + ATS_CONTROL, ATS_ENABLE)
    space.write16(at + PASID_CONTROL, 0)
    expect(pasid.enabled).toBe(true)
  })

  test('PASIDs of the width may be sent, and none while disabled', () => {
    const { pasid, space, at } = setUp()
    expect(pasid.allows(1)).toBe(false)
    space.write16(at + PASID_CONTROL, PASID_ENABLE)
    expect([pasid.allows(0), pasid.allows(255), pasid.allows(256), pasid.allows(-1)]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})

describe('configuration space', () => {
  test('chains the capabilities from 0x100 on', () => {
    const { space } = setUp()
    expect(space.read32(0x100)).toBe(0x1081000f)
    expect(space.read32(0x108)).toBe(0x0001001b)
    expect(space.findCapability(CAPABILITY_PRI)).toBe(0)
  })

  test('reads 0 where nothing is, and an empty space has no capability', () => {
    const { space } = setUp()
    expect(space.read32(0x200)).toBe(0)
    expect(space.read16(0x202)).toBe(0)
    expect(new FunctionConfigSpace([]).findCapability(CAPABILITY_ATS)).toBe(0)
  })

  test('headers are read-only', () => {
    const { space } = setUp()
    space.write32(0x100, 0)
    expect(space.read32(0x100)).toBe(0x1081000f)
  })
})
