// SPDX-License-Identifier: MIT
/**
 * Device faults end to end through the public API. The device copies pages that are not there to one that is; each page
 * request goes through ring, interrupt, core and fault queue to the handler, which copies 4 KiB from memory of its process
 * into a page, maps it and answers; then the device asks again and copies. Taking the pages away between passes is not
 * measured. An operation is one page.
 */
import { FaultLoop, Pager, ResidentSet } from '../../dist/handlers/index.js'
import { createMachine, createTransfer, PROT_READ, PROT_WRITE } from '../../dist/index.js'
import { check } from './order.mjs'

const PAGE = 4096
const PAGES = 1024
const BASE = 0x40_0000_0000n
const SINK = 0x10_0000_0000n
const BASE_HI = 0x40

/** What the parts of a scenario share: a machine, a process with memory, a device that is attached, its transfers. */
class Bench {
  constructor({ group, inFlight }) {
    this.group = group
    this.machine = createMachine({
      memoryBytes: 192 * 2 ** 20,
      iommus: [{ name: 'iommu0', model: 'simple' }],
      devices: [
        {
          name: 'dma0',
          kind: 'dma-engine',
          iommu: 'iommu0',
          groupPages: group,
          transfersInFlight: inFlight,
          pri: { capacity: 64 },
        },
      ],
    })
    this.process = this.machine.process()
    this.mm = this.process.mm
    this.window = this.#populated(PAGES)
    this.source = this.#populated(PAGES)
    this.sourceFirst = Number(this.source / 4096n)
    this.iommufd = this.process.openIommufd()
    this.queue = this.iommufd.allocFaultQueue()
    this.ioas = this.iommufd.allocIoas()
    this.device = this.iommufd.bind('dma0')
    this.device.attach(
      this.iommufd.allocHwpt({ device: this.device, parent: this.ioas, faultQueue: this.queue }),
    )
    this.engine = this.machine.device('dma0').engine
    this.sink = this.#populated(group)
    this.ioas.map({ userAddress: this.sink, lengthBytes: group * PAGE, iova: SINK })
    this.nextPage = 0
    this.left = 0
    this.done = 0
    this.expected = 'done'
    this.onPassDone = undefined
    const onDone = (transfer) => this.#ended(transfer)
    this.transfers = Array.from({ length: inFlight }, () =>
      createTransfer({ op: 'copy', destination: SINK, lengthBytes: group * PAGE, onDone }),
    )
  }

  /** Every page of the handler's source, for a pager. */
  pageSource() {
    const { memory } = this.machine
    const { mm, sourceFirst } = this
    return {
      lengthBytes: PAGES * PAGE,
      readPage(page, _into, at) {
        memory.copy(Math.floor(at / PAGE), 0, mm.frameForRead(sourceFirst + page), 0, PAGE)
      },
    }
  }

  startPass() {
    this.nextPage = 0
    this.left = PAGES / this.group
    for (const transfer of this.transfers) this.#submit(transfer)
  }

  #submit(transfer) {
    if (this.nextPage === PAGES) return
    transfer.sourceHi = BASE_HI
    transfer.sourceLo = this.nextPage << 12
    this.nextPage += this.group
    this.engine.submit(transfer)
  }

  #ended(transfer) {
    if (transfer.status !== this.expected) throw new Error(`transfer ended with ${transfer.status}`)
    this.done += this.group
    this.left--
    if (this.left === 0) this.onPassDone?.()
    else this.#submit(transfer)
  }

  #populated(pages) {
    const address = this.mm.mmap({ lengthBytes: pages * PAGE, prot: PROT_READ | PROT_WRITE, populate: true })
    const bytes = new Uint8Array(PAGE)
    for (let page = 0; page < pages; page++) {
      bytes.fill(page)
      this.mm.write(address + BigInt(page) * 4096n, bytes)
    }
    return address
  }
}

/** Passes of all pages; `clear` takes them away again. */
async function runPasses(bench, operations, watch, pass, clear) {
  let done = 0
  for (; done < operations; done += PAGES) {
    watch.start()
    await pass()
    watch.stop()
    check(bench.left, 0, 'transfers left')
    await clear()
  }
  return done
}

function synchronous(bench) {
  const { machine, ioas, mm, window, queue } = bench
  const resident = new ResidentSet(PAGES)
  const source = bench.pageSource()
  const regions = [{ iova: BASE, source, writeable: false }]
  const pager = new Pager(machine.world, { ioas, mm, memory: machine.memory, window, resident, regions })
  const route = { pagerFor: () => pager }
  new FaultLoop(machine.world, { queue, route, batchRecords: 64, inFlightMax: 64 }).start()
  const pass = () => {
    bench.startPass()
    machine.runUntilIdle()
  }
  return { run: (operations, watch) => runPasses(bench, operations, watch, pass, () => resident.clear()) }
}

/** The handler as people write it: batches by `for await`, `ioas.map({ … })`, `group.respond('success')`. */
function asynchronous(bench) {
  const { machine, ioas, window, queue, mm } = bench
  const { memory } = machine
  const windowFirst = Number(window / 4096n)
  const ended = machine.world.scheduler.createGate('pass ended')
  bench.onPassDone = () => ended.open(undefined)

  function placePage(address) {
    const offset = address - BASE
    const page = Number(offset >> 12n)
    memory.copy(mm.frameForWrite(windowFirst + page), 0, mm.frameForRead(bench.sourceFirst + page), 0, PAGE)
    ioas.map({ userAddress: window + offset, lengthBytes: PAGE, iova: address, writeable: false })
  }

  async function handleFaults() {
    for await (const groups of queue) {
      for (const group of groups) {
        for (const { address } of group.records) placePage(address)
        group.respond('success')
      }
    }
  }

  machine.world.scheduler.spawn('handler', handleFaults)
  const pass = () =>
    machine.run(() => {
      bench.startPass()
      return ended.wait()
    })
  const clear = () => ioas.unmap({ iova: BASE, lengthBytes: PAGES * PAGE })
  return { run: (operations, watch) => runPasses(bench, operations, watch, pass, clear) }
}

/** Each fault is read and answered INVALID, so that its transfer ends: a message there, an answer back. */
function refusing(bench) {
  const { machine, queue } = bench
  const route = { pagerFor: () => undefined }
  bench.expected = 'invalid'
  new FaultLoop(machine.world, { queue, route, batchRecords: 64, inFlightMax: 64 }).start()
  const pass = () => {
    bench.startPass()
    machine.runUntilIdle()
  }
  return { run: (operations, watch) => runPasses(bench, operations, watch, pass, () => {}) }
}

const HANDLERS = { sync: synchronous, async: asynchronous, refuse: refusing }

export function setup({ handler, group, inFlight }) {
  return HANDLERS[handler](new Bench({ group, inFlight }))
}
