// SPDX-License-Identifier: MIT
import { Clock } from '../../sim/clock.ts'

/** A clock that goes with the host's: nanoseconds since it was made. */
export function createLiveClock(now: () => number = () => performance.now()): Clock {
  const start = now()
  return new Clock(() => (now() - start) * 1e6)
}
