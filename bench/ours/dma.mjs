// SPDX-License-Identifier: MIT
/**
 * A device copies memory that is mapped, one long transfer a pass, through its translation cache and the IOMMU. The pages
 * lie in physical memory in the order in which the C peer visits its own.
 */
import { createMachine, createTransfer, PROT_READ, PROT_WRITE } from '../../dist/index.js'
import { check, passes, shuffled } from './order.mjs'

const PAGE = 4096
const SOURCE = 0x40_0000_0000n
const DESTINATION = 0x50_0000_0000n

/** Maps fresh memory at the address, its pages in the order; returns where the last one lies in the process. */
function mapShuffled({ user, ioas }, iova, order, firstByte) {
  const memory = user.mm.mmap({
    lengthBytes: order.length * PAGE,
    prot: PROT_READ | PROT_WRITE,
    populate: true,
  })
  let userAddress = memory
  order.forEach((page, i) => {
    userAddress = memory + BigInt(page) * 4096n
    user.mm.write(userAddress, new Uint8Array(8).fill(firstByte + (i & 127)))
    ioas.map({ userAddress, lengthBytes: PAGE, iova: iova + BigInt(i) * 4096n })
  })
  return userAddress
}

function createBench(pages) {
  const machine = createMachine({
    memoryBytes: (2 * pages + 2048) * PAGE,
    iommus: [{ name: 'iommu0', model: 'simple' }],
    devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' }],
  })
  const user = machine.process()
  const iommufd = user.openIommufd()
  const ioas = iommufd.allocIoas()
  const device = iommufd.bind('dma0')
  device.attach(iommufd.allocHwpt({ device, parent: ioas }))
  const order = shuffled(pages)
  mapShuffled({ user, ioas }, SOURCE, order, 1)
  const last = mapShuffled({ user, ioas }, DESTINATION, order, 128)
  return { machine, user, last }
}

export function setup({ pages }) {
  const { machine, user, last } = createBench(pages)
  const { engine } = machine.device('dma0')
  const transfer = createTransfer({
    op: 'copy',
    source: SOURCE,
    destination: DESTINATION,
    lengthBytes: pages * PAGE,
  })

  function pass() {
    engine.submit(transfer)
    machine.runUntilIdle()
  }

  return {
    run(operations, watch) {
      const done = passes(watch, operations, pages, pass)
      const bytes = new Uint8Array(8)
      user.mm.read(last, bytes)
      check(transfer.status, 'done', 'status of the transfer')
      check(bytes[7], 1 + ((pages - 1) & 127), 'last page copied')
      return done
    },
  }
}
