// SPDX-License-Identifier: MIT
import type { FaultPolicy } from '../iommu/fault.ts'
import type { Rig, RigOptions } from './rig.suite.ts'

/** What tests of every driver ask of a model, in words that fit all of them. */
export interface ModelOptions extends RigOptions {
  readonly interruptNanos?: number
  readonly workNanos?: number
  /** Requests that wait in the unit's queue at a time. */
  readonly waitingMax?: number
  /** Commands that the driver has room for. */
  readonly commands?: number
  readonly pasidBits?: number
  readonly ats?: boolean
  readonly privateData?: boolean
  readonly priRequests?: number
  readonly policy?: Partial<FaultPolicy>
}

export interface Model {
  readonly name: string
  /** Page requests with PASIDs only from functions that want the PASID in responses. */
  readonly answersWithPasid: boolean
  create(options?: ModelOptions): Rig
  /** Attachments of domains with a fault handler that the driver counts for the rig's device. */
  faultUsers(rig: Rig): number
}
