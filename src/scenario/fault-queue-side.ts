// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { PAGE_BYTES } from '../base/u64.ts'
import { AsyncFaultLoop } from '../handlers/async-fault-loop.ts'
import { FaultLoop, type FaultLoopOptions } from '../handlers/fault-loop.ts'
import { type PageSource, partOfSource } from '../handlers/page-source.ts'
import { Pager, type PagerCosts } from '../handlers/pager.ts'
import { ResidentSet } from '../handlers/resident-set.ts'
import { NO_PASID } from '../hardware/pci/messages.ts'
import type { BoundDevice, FaultQueue, Hwpt, Ioas, Iommufd } from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import type { Machine, MachineProcess } from '../machine/machine.ts'
import { destinationIova, SOURCE_IOVA } from './address-layout.ts'
import type { Scenario, StreamSection } from './document.ts'
import type { MemorySide, StreamPlace } from './memory-side.ts'
import type { PagerCounts } from './result.ts'
import { type Share, sharesOf } from './shares.ts'

/** One stream's address space and how its device is attached to it. */
interface Space {
  readonly device: string
  readonly pasid: number
  readonly bound: BoundDevice
  readonly ioas: Ioas
  readonly pager: Pager
  /** The attachment's page table; `undefined` while detached. */
  hwpt: Hwpt | undefined
}

export interface SideParts {
  readonly machine: Machine
  readonly scenario: Scenario
  readonly source: PageSource
  readonly destination: PageSource
}

/** One fault queue for all devices; an I/O address space, a page table and a pager for each stream. */
export class FaultQueueSide implements MemorySide {
  readonly places: readonly StreamPlace[]
  dead: boolean
  /** Unrecoverable faults that the handler was told of. */
  heard: number
  readonly #parts: SideParts
  readonly #process: MachineProcess
  readonly #iommufd: Iommufd
  readonly queue: FaultQueue
  readonly #resident: ResidentSet
  readonly #devices: Map<string, BoundDevice>
  readonly #spaces: Space[]
  #loop: FaultLoop | undefined

  constructor(parts: SideParts) {
    const { machine, scenario, source } = parts
    this.dead = false
    this.heard = 0
    this.#parts = parts
    this.#process = machine.process()
    this.#devices = new Map()
    this.#spaces = []
    try {
      this.#resident = new ResidentSet(this.#slots())
      const window = this.#process.mm.mmap({
        lengthBytes: this.#resident.capacity * PAGE_BYTES,
        prot: PROT_READ | PROT_WRITE,
      })
      this.#iommufd = this.#process.openIommufd()
      this.queue = this.#iommufd.allocFaultQueue()
      const { streams } = scenario.workload
      const shares = sharesOf(source.lengthBytes, streams.length)
      this.places = streams.map((stream, index) => this.#createSpace(stream, shares[index]!, window))
    } catch (thrown) {
      this.#process.exit()
      throw thrown
    }
  }

  counts(): PagerCounts {
    const sum = (of: (pager: Pager) => number): number =>
      this.#spaces.reduce((total, { pager }) => total + of(pager), 0)
    return {
      pagesIn: sum((pager) => pager.pagesIn),
      pagesOut: sum((pager) => pager.pagesOut),
      evictions: this.#resident.evictions,
      residentBytesMax: this.#resident.residentMax * PAGE_BYTES,
    }
  }

  start(): void {
    const { machine, scenario } = this.#parts
    const { handler } = scenario.process
    if (scenario.policy.unifiedHandler)
      this.queue.onUnrecoverable((records) => (this.heard += records.length))
    const options = this.#loopOptions()
    if (handler.style === 'sync') {
      this.#loop = new FaultLoop(machine.world, options)
      this.#loop.start()
    } else {
      const loop = new AsyncFaultLoop(machine.world, options)
      machine.world.scheduler.spawn('fault handler', () => loop.run())
    }
  }

  detach(device: string, pasid: number): void {
    const space = this.#spaceOf(device, pasid)
    if (space?.hwpt === undefined) return
    space.bound.detach(pasidOption(pasid))
    space.hwpt.destroy()
    space.hwpt = undefined
  }

  replace(device: string, pasid: number): void {
    const space = this.#spaceOf(device, pasid)
    if (space?.hwpt === undefined) return
    const next = this.#allocHwpt(space.bound, space.ioas)
    try {
      space.bound.replace(next, pasidOption(pasid))
    } catch (thrown) {
      next.destroy()
      throw thrown
    }
    space.hwpt.destroy()
    space.hwpt = next
  }

  release(device: string): void {
    for (const space of this.#spaces) if (space.device === device) this.detach(device, space.pasid)
    this.#devices.get(device)?.close()
    this.#devices.delete(device)
  }

  writeBack(): void {
    this.#resident.clear()
  }

  detachAll(): void {
    for (const { device, pasid } of this.#spaces) this.detach(device, pasid)
  }

  close(): void {
    if (!this.dead) {
      this.#loop?.stop()
      this.detachAll()
      this.queue.close()
      this.queue.destroy()
      for (const { ioas } of this.#spaces) ioas.destroy()
      for (const bound of this.#devices.values()) bound.close()
      this.#iommufd.close()
    }
    this.#process.exit()
  }

  /** The process is killed: its descriptors close in order, the kernel cleans up. */
  #die(): void {
    this.dead = true
    for (const space of this.#spaces) space.hwpt = undefined
    this.#process.exit()
  }

  /** Without a limit every page of every stream has a slot. */
  #slots(): number {
    const { scenario, source } = this.#parts
    const { residentLimit } = scenario.process.handler
    const pages = Math.ceil(source.lengthBytes / PAGE_BYTES)
    const shared = 2 * (pages + scenario.workload.streams.length)
    return residentLimit === 'none' ? shared : Math.min(shared, Math.floor(residentLimit / PAGE_BYTES))
  }

  #createSpace(stream: StreamSection, share: Share, window: bigint): StreamPlace {
    const { machine, scenario, source, destination } = this.#parts
    const pasid = stream.pasid === 'none' ? NO_PASID : stream.pasid
    const bound = this.#bind(stream.device)
    const ioas = this.#iommufd.allocIoas()
    const offset = BigInt(share.firstByte)
    const place = {
      pasid,
      source: SOURCE_IOVA + offset,
      destination: destinationIova(source.lengthBytes) + offset,
    }
    const mine = (of: PageSource): PageSource => partOfSource(of, share.firstByte, share.lengthBytes)
    const pager = new Pager(machine.world, {
      ioas,
      mm: this.#process.mm,
      memory: machine.memory,
      window,
      resident: this.#resident,
      faultAround: scenario.process.handler.faultAround,
      costs: pagerCosts(scenario),
      regions: [
        { iova: place.source, source: mine(source), writeable: false },
        { iova: place.destination, source: mine(destination), writeable: true },
      ],
    })
    const space: Space = { device: stream.device, pasid, bound, ioas, pager, hwpt: undefined }
    this.#spaces.push(space)
    space.hwpt = this.#allocHwpt(bound, ioas)
    bound.attach(space.hwpt, pasidOption(pasid))
    return place
  }

  #bind(name: string): BoundDevice {
    const bound = this.#devices.get(name) ?? this.#iommufd.bind(name)
    this.#devices.set(name, bound)
    return bound
  }

  /** Usable with PASIDs wherever the device has any: its own traffic and its PASIDs then go together (`spec/02` §5.2). */
  #allocHwpt(device: BoundDevice, parent: Ioas): Hwpt {
    const section = this.#parts.scenario.machine.devices.find(({ name }) => name === device.name)
    assert(section !== undefined, `no device ${device.name} in the scenario`)
    return this.#iommufd.allocHwpt({
      device,
      parent,
      faultQueue: this.queue,
      pasid: section.pasid.bits > 0,
    })
  }

  #spaceOf(device: string, pasid: number): Space | undefined {
    return this.#spaces.find((space) => space.device === device && space.pasid === pasid)
  }

  #loopOptions(): FaultLoopOptions {
    const { process, latencies } = this.#parts.scenario
    const { handler } = process
    return {
      queue: this.queue,
      route: { pagerFor: (deviceId, pasid) => this.#pagerFor(deviceId, pasid) },
      batchRecords: handler.batch,
      inFlightMax: handler.inFlight,
      costs: { systemCallNanos: latencies.systemCall, handlerNanos: latencies.handler },
      misbehaviour: {
        kind: handler.misbehaviour.kind,
        after: handler.misbehaviour.after,
        delayNanos: handler.misbehaviour.delay,
      },
      onDeath: () => this.#die(),
    }
  }

  /** Records name a device by its iommufd id and carry PASID 0 where there is none. */
  #pagerFor(deviceId: number, pasid: number): Pager | undefined {
    for (let index = 0; index < this.#spaces.length; index++) {
      const space = this.#spaces[index]!
      if (
        space.bound.id === deviceId &&
        (space.pasid === pasid || (pasid === 0 && space.pasid === NO_PASID))
      ) {
        return space.pager
      }
    }
    return undefined
  }
}

function pasidOption(pasid: number): { pasid?: number } {
  return pasid === NO_PASID ? {} : { pasid }
}

function pagerCosts({ latencies }: Scenario): PagerCosts {
  return {
    pageInNanos: latencies.pageIn,
    pageOutNanos: latencies.pageOut,
    mapNanos: latencies.map + latencies.systemCall,
    unmapNanos: latencies.unmap + latencies.systemCall + latencies.invalidation,
  }
}
