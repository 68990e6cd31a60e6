// SPDX-License-Identifier: MIT
/** A unit's registers as its driver sees them: 32 bits each, at the byte offsets of the unit's layout. */
export interface RegisterAccess {
  readRegister(offset: number): number
  writeRegister(offset: number, value: number): void
}
