// SPDX-License-Identifier: MIT
import { isErrno } from '../../../base/errno.ts'
import {
  CAP_ATS,
  CAP_PASID_BITS_MASK,
  CAP_PRI,
  DEVICE_ATS,
  DEVICE_PASID,
  DEVICE_PASID_BITS_SHIFT,
  DEVICE_PRI,
  DEVICE_RESPONSE_PASID,
  DEVICE_VALID,
} from '../../../hardware/iommus/simple/layout.ts'
import type { ConfigSpace } from '../../../hardware/pci/config-layout.ts'
import {
  pciDisableAts,
  pciDisablePasid,
  pciDisablePri,
  pciEnableAts,
  pciEnablePasid,
  pciEnablePri,
  pciMaxPasids,
  pciResetPri,
  pciResponsePasidRequired,
} from '../../iommu/pci-features.ts'
import type { SimpleDevice } from './simple-device.ts'

/**
 * Switches on what both the unit and the function have: PASID before ATS, PRI only with ATS (`spec/01` §6.1). A
 * capability that is missing or refuses leaves its feature off.
 */
export function enableFeatures(device: SimpleDevice, capability: number, requests: number): void {
  const { config } = device.device
  if (config === undefined) return
  const hasPasids = (capability & CAP_PASID_BITS_MASK) !== 0
  device.pasidEnabled = hasPasids && succeeds(() => pciEnablePasid(config))
  device.atsEnabled = (capability & CAP_ATS) !== 0 && succeeds(() => pciEnableAts(config, 12))
  const hasPri = device.atsEnabled && (capability & CAP_PRI) !== 0
  device.priEnabled = hasPri && succeeds(() => startPri(config, requests))
}

/** In the reverse order; PRI was stopped in the unit and drained before. */
export function disableFeatures(device: SimpleDevice): void {
  const { config } = device.device
  if (config === undefined) return
  if (device.priEnabled) pciDisablePri(config)
  if (device.atsEnabled) pciDisableAts(config)
  if (device.pasidEnabled) pciDisablePasid(config)
  device.priEnabled = device.atsEnabled = device.pasidEnabled = false
}

/** PASIDs that both sides can tell apart: a power of two, 0 without PASIDs. */
export function sharedPasids(device: SimpleDevice, capability: number): number {
  const { config } = device.device
  if (!device.pasidEnabled || config === undefined) return 0
  return Math.min(pciMaxPasids(config), 2 ** (capability & CAP_PASID_BITS_MASK))
}

/** DEVICE_ bits of the device's entry. */
export function deviceFlags(device: SimpleDevice, pasids: number, pri: boolean): number {
  const { config } = device.device
  let flags = DEVICE_VALID
  if (device.atsEnabled) flags |= DEVICE_ATS
  if (pri) flags |= DEVICE_PRI
  if (config !== undefined && pciResponsePasidRequired(config)) flags |= DEVICE_RESPONSE_PASID
  if (pasids > 0) flags |= DEVICE_PASID | (Math.log2(pasids) << DEVICE_PASID_BITS_SHIFT)
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
