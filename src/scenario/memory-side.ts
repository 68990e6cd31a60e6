// SPDX-License-Identifier: MIT
import type { FaultQueue } from '../iommufd/iommufd.ts'
import type { PagerCounts } from './result.ts'

/** Where one stream's data lies, as its device sees it. */
export interface StreamPlace {
  /** NO_PASID or the PASID of its requests. */
  readonly pasid: number
  readonly source: bigint
  readonly destination: bigint
}

/**
 * How a scenario's devices reach memory: through a fault queue and pagers of their own, or sharing the process's address
 * space. Both are set up by their constructor; a failure there is an `IommufdError` or an `Errno`, with nothing left.
 */
export interface MemorySide {
  /** In the order of the scenario's streams. */
  readonly places: readonly StreamPlace[]
  /** The fault queue, where there is one. */
  readonly queue: FaultQueue | undefined
  /** Unrecoverable faults that the handler was told of, where the scenario asks for one handler of both kinds. */
  readonly heard: number
  /** The process has died by itself. */
  readonly dead: boolean
  counts(): PagerCounts
  /** Starts serving faults. */
  start(): void
  /** `pasid`: NO_PASID or a PASID, as the scenario names it. */
  detach(device: string, pasid: number): void
  replace(device: string, pasid: number): void
  /** The device is going away: closes what the process holds of it. */
  release(device: string): void
  /** What devices wrote reaches the destination. Not after the process has died. */
  writeBack(): void
  /** Detaches every device: the kernel answers what nobody answered. */
  detachAll(): void
  /** Closes and destroys everything, ends the process. */
  close(): void
}
