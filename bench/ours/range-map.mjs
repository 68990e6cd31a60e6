// SPDX-License-Identifier: MIT
/** Areas of 4 KiB, every other page, as an I/O address space keeps them: unmap and map again, or find. */
import { RangeMap } from '../../dist/base/range-map.js'
import { check, passes, shuffled } from './order.mjs'

function insert(map, index, value) {
  const hi = (index >>> 19) | 0
  const lo = index << 13
  return map.insert(hi, lo, hi, lo | 4095, value)
}

export function setup({ areas, find }) {
  const map = new RangeMap()
  const order = shuffled(areas)
  const values = Array.from({ length: areas }, (_, index) => ({ index }))
  for (const index of order) insert(map, index, values[index])
  let sum = 0

  function findAll() {
    sum = 0
    for (let i = 0; i < areas; i++) {
      const slot = map.find(order[i] >>> 19, (order[i] << 13) + 100)
      sum += map.valueAt(slot).index
    }
  }

  function replaceAll() {
    sum = 0
    for (let i = 0; i < areas; i++) {
      const index = order[i]
      const slot = map.find(index >>> 19, index << 13)
      sum += map.valueAt(slot).index
      map.remove(slot)
      insert(map, index, values[index])
    }
  }

  return {
    run(operations, watch) {
      const done = passes(watch, operations, areas, find ? findAll : replaceAll)
      check(sum, (areas * (areas - 1)) / 2, 'sum of the areas found')
      return done
    },
  }
}
