// SPDX-License-Identifier: MIT
import type { Fault } from '../../iommu/fault.ts'

const RECORDS_MAX = 4096

/** One page response, as the extended test ABI tells it. */
export interface LoggedResponse {
  readonly mockIndex: number
  /** Of the group's last request. */
  readonly flags: number
  readonly pasid: number
  readonly grpid: number
  readonly addrHi: number
  readonly addrLo: number
  readonly code: number
  /** Counts all responses of the machine, also those that were lost. */
  readonly sequence: number
}

/** The page responses that reached the mock, until somebody asks. */
export class ResponseLog {
  /** Responses that found the log full, since the machine came up. */
  lost = 0
  readonly #records: LoggedResponse[] = []
  #sequence = 1

  add(mockIndex: number, request: Fault, code: number): void {
    const sequence = this.#sequence++
    if (this.#records.length >= RECORDS_MAX) {
      this.lost++
      return
    }
    const { flags, pasid, grpid, addrHi, addrLo } = request
    this.#records.push({ mockIndex, flags, pasid, grpid, addrHi, addrLo, code, sequence })
  }

  /** Takes the oldest. */
  take(): LoggedResponse | undefined {
    return this.#records.shift()
  }
}
