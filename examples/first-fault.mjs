// SPDX-License-Identifier: MIT
// A device fills a page that is not there. Each page request arrives at our fault queue; we map memory and answer.
import { createMachine, createTransfer } from 'iopf'

const PAGE = 4096
const machine = createMachine({
  iommus: [{ name: 'iommu0', model: 'simple' }],
  devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0', pri: { capacity: 32 } }],
})
const process_ = machine.process()
const iommufd = process_.openIommufd()
const faults = iommufd.allocFaultQueue()
const ioas = iommufd.allocIoas()
const device = iommufd.bind('dma0')
const hwpt = iommufd.allocHwpt({ device, parent: ioas, faultQueue: faults })
device.attach(hwpt)

// 16 pages of our memory stand behind the device's addresses from 0x10000000 on.
const buffer = process_.mm.mmap({ lengthBytes: 16 * PAGE, prot: 3 })
const base = 0x1000_0000n

const transfer = createTransfer({
  op: 'fill',
  destination: base + 100n,
  lengthBytes: 3 * PAGE,
  value: 0x5a,
  onDone: () => faults.close(),
})

await machine.run(async () => {
  machine.device('dma0').engine.submit(transfer)
  for await (const groups of faults) {
    for (const group of groups) {
      for (const { address } of group.records) {
        console.log(`page request for 0x${address.toString(16)}, cookie ${group.cookie}`)
        ioas.map({ userAddress: buffer + (address - base), lengthBytes: PAGE, iova: address })
      }
      group.respond('success')
    }
  }
})

const bytes = new Uint8Array(16 * PAGE)
process_.mm.read(buffer, bytes)
const filled = bytes.filter((byte) => byte === 0x5a).length
console.log(
  `transfer ${transfer.status}: ${filled} bytes of 0x5a in our memory, from offset ${bytes.indexOf(0x5a)}`,
)

device.detach()
hwpt.destroy()
faults.destroy()
ioas.destroy()
process_.exit()
