// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL } from '../../base/errno.ts'
import {
  ATS_CONTROL,
  ATS_ENABLE,
  ATS_STU_MASK,
  CAPABILITY_ATS,
  CAPABILITY_PASID,
  CAPABILITY_PRI,
  type ConfigSpace,
  PASID_CAPABILITY,
  PASID_CONTROL,
  PASID_ENABLE,
  PASID_EXEC,
  PASID_PRIV,
  PASID_WIDTH_MASK,
  PASID_WIDTH_SHIFT,
  PRI_ALLOCATION,
  PRI_CAPACITY,
  PRI_CONTROL,
  PRI_ENABLE,
  PRI_RESET,
  PRI_RESPONSE_PASID_REQUIRED,
  PRI_STATUS,
  PRI_STOPPED,
} from '../../hardware/pci/config-layout.ts'

/** Linux's helpers for the ATS, PRI and PASID capabilities of a function (`spec/01` §6.1). Virtual functions are not here. */

/** 2^width of the PASID capability; 0 without one. */
export function pciMaxPasids(config: ConfigSpace): number {
  const at = config.findCapability(CAPABILITY_PASID)
  if (at === 0) return 0
  return 2 ** ((config.read16(at + PASID_CAPABILITY) >>> PASID_WIDTH_SHIFT) & PASID_WIDTH_MASK)
}

export function pciHasAts(config: ConfigSpace): boolean {
  return config.findCapability(CAPABILITY_ATS) !== 0
}

/** Linux's pci_enable_pasid, with all that the function offers. EINVAL without the capability. Goes before ATS. */
export function pciEnablePasid(config: ConfigSpace): void {
  const at = config.findCapability(CAPABILITY_PASID)
  if (at === 0) throw EINVAL
  const features = config.read16(at + PASID_CAPABILITY) & 6
  config.write16(at + PASID_CONTROL, PASID_ENABLE | features)
}

export function pciDisablePasid(config: ConfigSpace): void {
  const at = config.findCapability(CAPABILITY_PASID)
  if (at !== 0) config.write16(at + PASID_CONTROL, 0)
}

/** What the function may do with PASIDs, as it is enabled. */
export function pciPasidFeatures(config: ConfigSpace): { readonly exec: boolean; readonly priv: boolean } {
  const at = config.findCapability(CAPABILITY_PASID)
  const control = at === 0 ? 0 : config.read16(at + PASID_CONTROL)
  const on = (control & PASID_ENABLE) !== 0
  return { exec: on && (control & PASID_EXEC) !== 0, priv: on && (control & PASID_PRIV) !== 0 }
}

/** Linux's pci_enable_ats: EINVAL without the capability or for a unit below 4 KiB, EBUSY when enabled. */
export function pciEnableAts(config: ConfigSpace, pageShift: number): void {
  const at = config.findCapability(CAPABILITY_ATS)
  if (at === 0 || pageShift < 12) throw EINVAL
  if ((config.read16(at + ATS_CONTROL) & ATS_ENABLE) !== 0) throw EBUSY
  config.write16(at + ATS_CONTROL, ATS_ENABLE | ((pageShift - 12) & ATS_STU_MASK))
}

export function pciDisableAts(config: ConfigSpace): void {
  const at = config.findCapability(CAPABILITY_ATS)
  if (at === 0) return
  config.write16(at + ATS_CONTROL, config.read16(at + ATS_CONTROL) & ~ATS_ENABLE)
}

/** Linux's pci_enable_pri: EINVAL without the capability, EBUSY when enabled or not stopped yet. */
export function pciEnablePri(config: ConfigSpace, requests: number): void {
  const at = config.findCapability(CAPABILITY_PRI)
  if (at === 0) throw EINVAL
  if ((config.read16(at + PRI_CONTROL) & PRI_ENABLE) !== 0) throw EBUSY
  if ((config.read16(at + PRI_STATUS) & PRI_STOPPED) === 0) throw EBUSY
  config.write32(at + PRI_ALLOCATION, Math.min(config.read32(at + PRI_CAPACITY), requests))
  config.write16(at + PRI_CONTROL, PRI_ENABLE)
}

export function pciDisablePri(config: ConfigSpace): void {
  const at = config.findCapability(CAPABILITY_PRI)
  if (at === 0) return
  config.write16(at + PRI_CONTROL, config.read16(at + PRI_CONTROL) & ~PRI_ENABLE)
}

/** Linux's pci_reset_pri: forgets what is outstanding. EINVAL without the capability, EBUSY while enabled. */
export function pciResetPri(config: ConfigSpace): void {
  const at = config.findCapability(CAPABILITY_PRI)
  if (at === 0) throw EINVAL
  if ((config.read16(at + PRI_CONTROL) & PRI_ENABLE) !== 0) throw EBUSY
  config.write16(at + PRI_CONTROL, PRI_RESET)
}

/** Whether the function wants its PASIDs back in responses. */
export function pciResponsePasidRequired(config: ConfigSpace): boolean {
  const at = config.findCapability(CAPABILITY_PRI)
  return at !== 0 && (config.read16(at + PRI_STATUS) & PRI_RESPONSE_PASID_REQUIRED) !== 0
}
