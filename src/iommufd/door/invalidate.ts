// SPDX-License-Identifier: MIT
import { HwptInvalidate } from '../abi/index.ts'
import { typedError } from '../error.ts'
import { BYTES_ADDRESS } from './bytes-memory.ts'
import type { Door } from './door.ts'

/** Requests for the driver, one behind the other. */
export interface Invalidation {
  /** What the driver calls requests of this kind. */
  readonly type: number
  /** A whole number of requests; none asks whether the type is known. */
  readonly bytes: Uint8Array
  /** Bytes of one request. */
  readonly entryBytes: number
}

/**
 * IOMMU_HWPT_INVALIDATE on a nested page table or a vIOMMU. Returns how many requests were done: all. On failure the
 * error's argument `done` says how many.
 */
export function invalidate(door: Door, id: number, operation: string, request: Invalidation): number {
  const { type, bytes, entryBytes } = request
  const command = new HwptInvalidate()
  command.hwpt_id = id
  command.data_uptr_lo = BYTES_ADDRESS
  command.data_type = type
  command.entry_len = entryBytes
  command.entry_num = Math.floor(bytes.length / entryBytes)
  try {
    door.perform(command, bytes)
  } catch (thrown) {
    throw typedError(thrown, operation, { id, type, done: command.entry_num })
  }
  return command.entry_num
}
