// SPDX-License-Identifier: MIT
import { isErrno } from '../../../base/errno.ts'
import {
  CONTEXT_DTE,
  CONTEXT_P,
  CONTEXT_PASIDE,
  CONTEXT_PRE,
} from '../../../hardware/iommus/vtd/layout-tables.ts'
import { CAPABILITY_PRI, type ConfigSpace } from '../../../hardware/pci/config-layout.ts'
import {
  pciDisableAts,
  pciDisablePasid,
  pciDisablePri,
  pciEnableAts,
  pciEnablePasid,
  pciEnablePri,
  pciHasAts,
  pciMaxPasids,
  pciResetPri,
  pciResponsePasidRequired,
} from '../../iommu/pci-features.ts'
import type { VtdCapabilities } from './capabilities.ts'
import type { VtdDevice } from './vtd-device.ts'

/**
 * Switches on what both the unit and the function have: PASID before ATS, PRI only with ATS, and with PASIDs only when
 * the function wants them in responses (`spec/01` §3.4). A capability that is missing or refuses leaves its feature off.
 */
export function enableFeatures(device: VtdDevice, unit: VtdCapabilities, requests: number): void {
  const { config } = device.device
  if (config === undefined) return
  device.pasidEnabled = unit.pasids > 0 && succeeds(() => pciEnablePasid(config))
  device.atsEnabled = unit.ats && succeeds(() => pciEnableAts(config, 12))
  const answers = !device.pasidEnabled || pciResponsePasidRequired(config)
  const hasPri = device.atsEnabled && unit.pri && answers
  device.priEnabled = hasPri && succeeds(() => startPri(config, requests))
}

/** In the reverse order; PRI was stopped in the unit and drained before. */
export function disableFeatures(device: VtdDevice): void {
  const { config } = device.device
  if (config === undefined) return
  if (device.priEnabled) pciDisablePri(config)
  if (device.atsEnabled) pciDisableAts(config)
  if (device.pasidEnabled) pciDisablePasid(config)
  device.priEnabled = device.atsEnabled = device.pasidEnabled = false
}

/** PASIDs that both sides can tell apart: a power of two, 0 without PASIDs. */
export function sharedPasids(config: ConfigSpace | undefined, unit: VtdCapabilities): number {
  return config === undefined ? 0 : Math.min(pciMaxPasids(config), unit.pasids)
}

/** CONTEXT_ bits of the device's entry: from what is supported, not from what is on (`spec/04` §1.6). */
export function contextFlags(device: VtdDevice, unit: VtdCapabilities): number {
  const { config } = device.device
  let flags = CONTEXT_P
  if (config === undefined) return flags
  if (unit.ats && pciHasAts(config)) flags |= CONTEXT_DTE
  if (unit.pri && config.findCapability(CAPABILITY_PRI) !== 0) flags |= CONTEXT_PRE
  if (sharedPasids(config, unit) > 0) flags |= CONTEXT_PASIDE
  return flags
}

/** What an earlier life of the device left outstanding is forgotten first. */
function startPri(config: ConfigSpace, requests: number): void {
  pciResetPri(config)
  pciEnablePri(config, requests)
}

function succeeds(enable: () => void): boolean {
  try {
    enable()
    return true
  } catch (error) {
    if (isErrno(error)) return false
    throw error
  }
}
