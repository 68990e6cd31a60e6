// SPDX-License-Identifier: MIT
import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8 inline more. A fault passes about 150 small functions, too many for V8's default budget: measured 20 % less
 * time a fault. For the whole process, for functions compiled from now on: call it before the library is loaded.
 */
export function inlineMore(): void {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000')
  setFlagsFromString('--max-inlined-bytecode-size=1000')
}
