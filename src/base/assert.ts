// SPDX-License-Identifier: MIT
/** A broken invariant of iopf itself: never an expected failure, caught nowhere but at the command's top. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant'
}

/** Stays on in release. `message` holds the numbers that make the failure readable. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BrokenInvariant(message)
}

/** For the arm of a switch that no value reaches. */
export function unreachable(value: never): never {
  throw new BrokenInvariant(`unreachable value ${String(value)}`)
}
