// SPDX-License-Identifier: MIT
/** 0 … count-1 in the shuffled order that the C peers use (xorshift32, seed 12345). */
export function shuffled(count) {
  const order = Int32Array.from({ length: count }, (_, i) => i)
  let state = 12345
  for (let i = count - 1; i > 0; i--) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const j = (state >>> 0) % (i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  return order
}

/** Runs whole passes of `pass.length` operations until there are enough; returns how many ran. */
export function passes(watch, operations, length, pass) {
  let done = 0
  watch.start()
  for (; done < operations; done += length) pass()
  watch.stop()
  return done
}

/** A result that a benchmark must have computed. */
export function check(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`)
}
