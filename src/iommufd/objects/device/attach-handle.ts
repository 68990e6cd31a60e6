// SPDX-License-Identifier: MIT
import { AttachHandle } from '../../../kernel/iommu/attach-handle.ts'

/** Linux's iommufd_attach_handle: what a fault on an attachment leads to. */
export class IommufdAttachHandle extends AttachHandle {
  /** Id of the device whose attachment did the hardware's work: what fault records report. */
  readonly deviceId: number

  constructor(deviceId: number) {
    super()
    this.deviceId = deviceId
  }
}
