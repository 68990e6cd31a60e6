// SPDX-License-Identifier: MIT
/** Page walks through four levels, in a shuffled order, over a page table built by `PageTable`. */
import { X86_64_4_LEVEL } from '../../dist/hardware/page-tables/formats/x86-64.js'
import { PageTable } from '../../dist/hardware/page-tables/page-table.js'
import { Walker } from '../../dist/hardware/page-tables/walker.js'
import { PhysicalMemory } from '../../dist/hardware/memory.js'
import { Translation } from '../../dist/hardware/pci/messages.js'
import { check, passes, shuffled } from './order.mjs'

const READ_WRITE = 3
const HI = 0x7f

/** Frames handed out in ascending order: a benchmark frees nothing. */
function tableFrames(memory) {
  let next = 1
  return {
    allocTable() {
      memory.words.fill(0, next * 1024, (next + 1) * 1024)
      return next++
    },
    freeTable() {},
  }
}

export function setup({ pages }) {
  const memory = new PhysicalMemory({ bytes: (pages + 64) * 4096 })
  const table = new PageTable({ memory, format: X86_64_4_LEVEL, frames: tableFrames(memory) })
  const order = shuffled(pages)
  for (let i = 0; i < pages; i++) table.map(HI, i << 12, 64 + (i ^ 1), 1, READ_WRITE)
  const walker = new Walker(memory, X86_64_4_LEVEL)
  const out = new Translation()
  let sum = 0

  function pass() {
    sum = 0
    for (let i = 0; i < pages; i++) {
      walker.walk(table.root, HI, order[i] << 12, READ_WRITE, out)
      sum += out.frame - 63
    }
  }

  return {
    run(operations, watch) {
      const done = passes(watch, operations, pages, pass)
      check(sum, (pages * (pages + 1)) / 2, 'sum of the frames found')
      return done
    },
  }
}
