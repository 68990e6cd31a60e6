// SPDX-License-Identifier: MIT
/** Copies of 4 KiB frames, in a shuffled order, from one half of physical memory to the other. */
import { PhysicalMemory } from '../../dist/hardware/memory.js'
import { check, passes, shuffled } from './order.mjs'

export function setup({ pages }) {
  const memory = new PhysicalMemory({ bytes: 2 * pages * 4096 })
  for (let frame = 0; frame < pages; frame++) memory.words.fill(frame + 1, frame * 1024, (frame + 1) * 1024)
  const order = shuffled(pages)

  function pass() {
    for (let i = 0; i < pages; i++) {
      const frame = order[i]
      memory.copy(pages + frame, 0, frame, 0, 4096)
    }
  }

  return {
    run(operations, watch) {
      const done = passes(watch, operations, pages, pass)
      check(memory.words[(2 * pages - 1) * 1024 + 1023], pages, 'last word copied')
      return done
    },
  }
}
