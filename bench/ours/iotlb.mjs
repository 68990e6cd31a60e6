// SPDX-License-Identifier: MIT
/** Hits of the simple unit's IOTLB, in a shuffled order; the frame is read from the entry found. */
import { Iotlb } from '../../dist/hardware/iommus/iotlb.js'
import { check, passes, shuffled } from './order.mjs'

const READ_WRITE = 3
const DOMAIN = 5

export function setup({ pages }) {
  const iotlb = new Iotlb(pages)
  for (let i = 0; i < pages; i++) iotlb.insert(DOMAIN, 1, (0x100000 + i) << 12, i + 1, READ_WRITE)
  const order = shuffled(pages)
  let sum = 0

  function pass() {
    sum = 0
    for (let i = 0; i < pages; i++) {
      const at = iotlb.find(DOMAIN, 1, (0x100000 + order[i]) << 12, READ_WRITE)
      sum += at < 0 ? 0 : iotlb.words[at + 3]
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
