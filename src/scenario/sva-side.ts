// SPDX-License-Identifier: MIT
import { isErrno } from '../base/errno.ts'
import { PAGE_BYTES } from '../base/u64.ts'
import type { PageSource } from '../handlers/page-source.ts'
import { persist } from '../handlers/transient.ts'
import { NO_PASID } from '../hardware/pci/messages.ts'
import { MemoryObject } from '../kernel/mm/memory-object.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import type { SvaHandle } from '../kernel/sva/handle.ts'
import type { MachineProcess } from '../machine/machine.ts'
import type { SideParts } from './fault-queue-side.ts'
import type { MemorySide, StreamPlace } from './memory-side.ts'
import type { PagerCounts } from './result.ts'
import { sharesOf } from './shares.ts'

/** Devices use the process's own addresses: the source is a mapping of its pages, the destination anonymous memory. */
export class SvaSide implements MemorySide {
  readonly places: readonly StreamPlace[]
  readonly queue: undefined = undefined
  readonly heard: number = 0
  readonly dead: boolean = false
  readonly #parts: SideParts
  readonly #process: MachineProcess
  readonly #handles: Map<string, SvaHandle>
  readonly #destination: bigint
  #pagesIn: number

  constructor(parts: SideParts) {
    const { machine, scenario, source } = parts
    this.#parts = parts
    this.#process = machine.process()
    this.#handles = new Map()
    this.#pagesIn = 0
    try {
      const lengthBytes = Math.max(1, Math.ceil(source.lengthBytes / PAGE_BYTES)) * PAGE_BYTES
      const { mm } = this.#process
      const object = this.#sourceObject(lengthBytes / PAGE_BYTES)
      const start = mm.mmap({ lengthBytes, prot: PROT_READ, object, shared: true })
      object.put()
      this.#destination = mm.mmap({ lengthBytes, prot: PROT_READ | PROT_WRITE })
      const { streams } = scenario.workload
      const shares = sharesOf(source.lengthBytes, streams.length)
      this.places = streams.map(({ device }, index) => {
        const offset = BigInt(shares[index]!.firstByte)
        return { pasid: this.#bind(device), source: start + offset, destination: this.#destination + offset }
      })
    } catch (thrown) {
      this.close()
      throw thrown
    }
  }

  counts(): PagerCounts {
    return { pagesIn: this.#pagesIn, pagesOut: 0, evictions: 0, residentBytesMax: 0 }
  }

  /** The kernel serves SVA faults. */
  start(): void {}

  detach(device: string): void {
    const handle = this.#handles.get(device)
    if (handle === undefined) return
    this.#handles.delete(device)
    this.#parts.machine.sva.unbind(handle)
  }

  /** There is one address space, and nothing to replace it with. */
  replace(): void {}

  release(device: string): void {
    this.detach(device)
  }

  writeBack(): void {
    const { destination } = this.#parts
    const page = new Uint8Array(PAGE_BYTES)
    for (let index = 0; index * PAGE_BYTES < destination.lengthBytes; index++) {
      const address = this.#destination + BigInt(index * PAGE_BYTES)
      if (this.#readPage(address, page)) destination.writePage!(index, page, 0)
    }
  }

  /** `false`: memory is exhausted, so no device can have written there either. */
  #readPage(address: bigint, page: Uint8Array): boolean {
    try {
      persist(() => this.#process.mm.read(address, page))
      return true
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
      return false
    }
  }

  detachAll(): void {
    for (const device of this.#handles.keys()) this.detach(device)
  }

  close(): void {
    this.detachAll()
    this.#process.exit()
  }

  #bind(device: string): number {
    const { machine } = this.#parts
    const handle =
      this.#handles.get(device) ?? machine.sva.bind(machine.device(device).device, this.#process.mm)
    this.#handles.set(device, handle)
    return machine.sva.getPasid(handle) ?? NO_PASID
  }

  #sourceObject(pages: number): MemoryObject {
    const { machine, source } = this.#parts
    return this.#countingObject(source, pages, machine.memory.bytes)
  }

  #countingObject(source: PageSource, pages: number, ram: Uint8Array): MemoryObject {
    const fill = (page: number, frame: number): number => {
      this.#pagesIn++
      source.readPage(page, ram, frame * PAGE_BYTES)
      return 0
    }
    return new MemoryObject({ pages, provider: { fill }, frames: this.#parts.machine.frames })
  }
}
