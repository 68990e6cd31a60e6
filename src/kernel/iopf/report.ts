// SPDX-License-Identifier: MIT
import type { Device } from '../iommu/device.ts'
import type { Fault } from '../iommu/fault.ts'

/** Linux's iommu_report_device_fault (`spec/01` §3.2): 0, or a positive errno number (22, 12). Never throws; copies the fault. */
export function reportDeviceFault(_device: Device, _fault: Fault): number {
  return 0
}
