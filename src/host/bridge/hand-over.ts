// SPDX-License-Identifier: MIT
/** How the listener comes from the thread that made it to the one that serves it, without a system call. */

/** Nothing is there yet; there will be none. Else it is a descriptor, which is never 0 here. */
const NOT_YET = 0
export const NO_LISTENER = -1

export function createHandOver(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** Waits for the descriptor; `undefined`: there will be none. */
export function waitForListener(handOver: Int32Array): number | undefined {
  Atomics.wait(handOver, 0, NOT_YET)
  const fd = Atomics.load(handOver, 0)
  return fd === NO_LISTENER ? undefined : fd
}
