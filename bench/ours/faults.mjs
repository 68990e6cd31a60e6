// SPDX-License-Identifier: MIT
/**
 * Device faults end to end through the public API. A device copies pages that are not there; each page request goes
 * through ring, interrupt, core and fault queue to the handler, which maps the page where its bytes lie in its process's
 * memory and answers; then the device asks again and copies. So each page is moved once, by the device's DMA, as each of
 * the C peer's is by UFFDIO_COPY; both move within 128 pages. Interrupts, wake-ups and responses take `hopNanos` of
 * virtual time, so that batches form where several transfers are in flight. Taking the pages away between passes is not
 * measured. An operation is one page.
 */
import { createMachine, createTransfer, PROT_READ, PROT_WRITE } from '../../dist/index.js'
import { SynchronousHandler } from './fault-handler.mjs'
import { check } from './order.mjs'

const PAGE = 4096
/** Pages that a pass touches, and pages of the handler's memory behind them. */
const PAGES = 4096
const FOOTPRINT = 128
const BASE = 0x40_0000_0000n
const BASE_HI = 0x40
const SINK = 0x10_0000_0000n

/** Byte that every byte of a source page holds. */
function contentOf(page) {
  return 1 + (page % FOOTPRINT)
}

/** A machine, a process with memory, an attached device and its transfers, one after the other in each of `inFlight`. */
class Bench {
  constructor({ group, inFlight, hopNanos }) {
    this.group = group
    this.machine = createMachine({
      latencies: { wakeUp: hopNanos, interrupt: hopNanos, response: hopNanos },
      iommus: [{ name: 'iommu0', model: 'simple' }],
      devices: [
        {
          name: 'dma0',
          kind: 'dma-engine',
          iommu: 'iommu0',
          groupPages: group,
          transfersInFlight: inFlight,
          pri: { capacity: 256 },
        },
      ],
    })
    this.process = this.machine.process()
    this.mm = this.process.mm
    this.source = this.#populated(FOOTPRINT)
    const iommufd = this.process.openIommufd()
    this.queue = iommufd.allocFaultQueue()
    this.ioas = iommufd.allocIoas()
    const device = iommufd.bind('dma0')
    device.attach(iommufd.allocHwpt({ device, parent: this.ioas, faultQueue: this.queue }))
    this.engine = this.machine.device('dma0').engine
    const sink = this.#populated(group)
    this.sinkFrame = this.mm.frameForRead(Number(sink / 4096n))
    this.ioas.map({ userAddress: sink, lengthBytes: group * PAGE, iova: SINK })
    this.nextPage = 0
    this.left = 0
    this.status = 'done'
    this.onPassDone = undefined
    this.transfers = Array.from({ length: inFlight }, () => this.#createTransfer())
  }

  startPass() {
    this.nextPage = 0
    this.left = PAGES / this.group
    for (const transfer of this.transfers) this.#submit(transfer)
  }

  #createTransfer() {
    const onDone = (transfer) => this.#ended(transfer)
    return createTransfer({ op: 'copy', destination: SINK, lengthBytes: this.group * PAGE, onDone })
  }

  #submit(transfer) {
    if (this.nextPage === PAGES) return
    transfer.sourceHi = BASE_HI
    transfer.sourceLo = this.nextPage << 12
    this.nextPage += this.group
    this.engine.submit(transfer)
  }

  #ended(transfer) {
    check(transfer.status, this.status, 'status of a transfer')
    if (this.status === 'done') {
      const byte = this.machine.memory.bytes[this.sinkFrame * PAGE + 7]
      check(byte, contentOf(transfer.sourceLo >>> 12), 'byte copied by the device')
    }
    this.left--
    if (this.left === 0) this.onPassDone?.()
    else this.#submit(transfer)
  }

  #populated(pages) {
    const address = this.mm.mmap({ lengthBytes: pages * PAGE, prot: PROT_READ | PROT_WRITE, populate: true })
    const bytes = new Uint8Array(PAGE)
    for (let page = 0; page < pages; page++) {
      this.mm.write(address + BigInt(page) * 4096n, bytes.fill(contentOf(page)))
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
    clear()
  }
  return done
}

function unmapAll({ ioas }) {
  const bytes = ioas.unmap({ iova: BASE, lengthBytes: PAGES * PAGE })
  check(bytes, BigInt(PAGES * PAGE), 'bytes unmapped')
}

function synchronous(bench, repairs) {
  const { machine } = bench
  const handler = new SynchronousHandler(bench, { footprint: FOOTPRINT, repairs })
  bench.queue.onReadable(() => handler.serve())
  bench.status = repairs ? 'done' : 'invalid'
  const pass = () => {
    bench.startPass()
    machine.runUntilIdle()
  }
  const clear = repairs ? () => unmapAll(bench) : () => {}
  return { run: (operations, watch) => runPasses(bench, operations, watch, pass, clear) }
}

/** The handler as people write it: batches by `for await`, `ioas.map({ … })`, `group.respond('success')`. */
function asynchronous(bench) {
  const { machine, ioas, queue, source } = bench
  const ended = machine.world.scheduler.createGate('pass ended')
  bench.onPassDone = () => ended.open(undefined)

  function placePage(iova) {
    const page = ((iova - BASE) >> 12n) % BigInt(FOOTPRINT)
    ioas.map({ userAddress: source + page * 4096n, lengthBytes: PAGE, iova, writeable: false })
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
  return { run: (operations, watch) => runPasses(bench, operations, watch, pass, () => unmapAll(bench)) }
}

const HANDLERS = {
  sync: (bench) => synchronous(bench, true),
  refuse: (bench) => synchronous(bench, false),
  async: asynchronous,
}

export function setup({ handler, ...options }) {
  return HANDLERS[handler](new Bench(options))
}
