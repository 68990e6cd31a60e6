// SPDX-License-Identifier: MIT
import { COOKIE_FAULT_HANDLER, COOKIE_NONE, type Domain, type LegacyFaultHandler } from './domain.ts'
import type { FaultEvent } from './fault.ts'

/** Unrecoverable faults (`spec/01` §5). */

export const LEGACY_FAULT_READ = 0
export const LEGACY_FAULT_WRITE = 1
/** What `reportIommuFault` returns without a handler: ENOSYS. */
export const NO_LEGACY_HANDLER = 38

/** Linux's iommu_set_fault_handler: refused (`false`, nothing changes) unless the domain's cookie is COOKIE_NONE. */
export function setFaultHandler(domain: Domain, handler: LegacyFaultHandler): boolean {
  if (domain.cookieType !== COOKIE_NONE) return false
  domain.cookieType = COOKIE_FAULT_HANDLER
  domain.legacyHandler = handler
  return true
}

/** Linux's report_iommu_fault: the legacy handler's result, or NO_LEGACY_HANDLER. */
export function reportIommuFault(domain: Domain, rid: number, hi: number, lo: number, write: number): number {
  if (domain.cookieType !== COOKIE_FAULT_HANDLER) return NO_LEGACY_HANDLER
  return domain.legacyHandler!(domain, rid, hi, lo, write)
}

/** The wish of `spec/00` 0.5: a domain's one handler hears of unrecoverable faults too, where it wants to. */
export function reportUnrecoverable(domain: Domain, event: FaultEvent): boolean {
  const handler = domain.iopfHandler
  if (handler?.unrecoverable === undefined) return false
  handler.unrecoverable(event)
  return true
}
