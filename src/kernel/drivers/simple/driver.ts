// SPDX-License-Identifier: MIT
/** A unit's registers as its driver sees them. */
export interface RegisterAccess {
  readRegister(offset: number): number
  writeRegister(offset: number, value: number): void
}
