// SPDX-License-Identifier: MIT
/** A broken invariant of iopf itself: never an expected failure, caught nowhere but at the command's top. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant'
}

/**
 * Stays on in release. `message` holds the numbers that make the failure readable. On the datapath give a constant
 * message, or write `if (bad) broken(...)`: a template is built on every call.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BrokenInvariant(message)
}

/** A broken invariant that has been found. */
export function broken(message: string): never {
  throw new BrokenInvariant(message)
}

/** For the arm of a switch that no value reaches. */
export function unreachable(value: never): never {
  throw new BrokenInvariant(`unreachable value ${String(value)}`)
}
