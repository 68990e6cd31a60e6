// SPDX-License-Identifier: MIT
/**
 * Device faults end to end through the public API. A device reads pages that are not there; each page request goes
 * through ring, interrupt, core and fault queue to the handler, which maps the page and answers; then the device asks
 * again and reads. Each page is moved once. A fault of one page: the handler copies 4 KiB within its process's memory, as
 * UFFDIO_COPY does, and the device reads 8 bytes. A group: the handler maps its memory as it lies, and the device copies
 * all of it. Copies stay within 128 pages, as the C peer's do. Interrupts, wake-ups and responses take `hopNanos` of
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
    this.window = group === 1 ? this.#populated(FOOTPRINT) : this.source
    const iommufd = this.process.openIommufd()
    this.queue = iommufd.allocFaultQueue()
    this.ioas = iommufd.allocIoas()
    const device = iommufd.bind('dma0')
    device.attach(iommufd.allocHwpt({ device, parent: this.ioas, faultQueue: this.queue }))
    this.engine = this.machine.device('dma0').engine
    this.ioas.map({ userAddress: this.#populated(group), lengthBytes: group * PAGE, iova: SINK })
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

  /** One page: 8 bytes are read, as the peer's thread reads one. A group: all of it is copied. */
  #createTransfer() {
    const onDone = (transfer) => this.#ended(transfer)
    if (this.group === 1) {
      return createTransfer({ op: 'read', lengthBytes: 8, buffer: new Uint8Array(8), onDone })
    }
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
    if (this.group === 1 && this.status === 'done') {
      check(transfer.buffer[7], contentOf(transfer.sourceLo >>> 12), 'byte read by the device')
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
  const { machine, ioas, mm, queue, window } = bench
  const windowFirst = Number(window / 4096n)
  const sourceFirst = Number(bench.source / 4096n)
  const ended = machine.world.scheduler.createGate('pass ended')
  bench.onPassDone = () => ended.open(undefined)

  function placePage(address) {
    const page = Number((address - BASE) >> 12n) % FOOTPRINT
    machine.memory.copy(mm.frameForWrite(windowFirst + page), 0, mm.frameForRead(sourceFirst + page), 0, PAGE)
    ioas.map({
      userAddress: window + BigInt(page * PAGE),
      lengthBytes: PAGE,
      iova: address,
      writeable: false,
    })
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
