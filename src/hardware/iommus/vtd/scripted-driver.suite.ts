// SPDX-License-Identifier: MIT
import { createWorld, type World, type WorldOptions } from '../../../trace/world.ts'
import { PhysicalMemory } from '../../memory.ts'
import type { PageTableFormat } from '../../page-tables/format.ts'
import { X86_64_4_LEVEL } from '../../page-tables/formats/x86-64.ts'
import { PageTable, type TableFrames } from '../../page-tables/page-table.ts'
import {
  ACCESS_READ,
  ACCESS_WRITE,
  NO_PASID,
  PageRequest,
  type PciFunction,
  Translation,
} from '../../pci/messages.ts'
import { type VtdOptions, vtdConfig } from './config.ts'
import { VtdUnit } from './unit.ts'

/** Bus 1, device 2, function 0. */
export const RID = 0x0110
export const READ_WRITE: number = ACCESS_READ | ACCESS_WRITE
/** Context entry bits 0, 2, 3, 4: present, device TLB, PASID, page requests (`spec/04` §1.6). */
export const ALL_CONTEXT = 0x1d

export interface EntryOptions {
  /** Word 0 without table address, width and kind. Default: present. */
  readonly flags?: number
  /** PGTT: 1 first stage, 2 second, 3 nested, 4 pass-through. Default 1. */
  readonly pgtt?: number
  readonly did?: number
  /** AW: 1 = 39 bits, 2 = 48, 3 = 57. */
  readonly width?: number
  readonly secondRoot?: number
  readonly firstRoot?: number
  /** Bits 139:128: SRE 0, ERE 1, FSPM 3:2, WPE 4, NXE 5, SMEP 6, EAFE 7. Default NXE, WPE. */
  readonly rules?: number
}

export interface DriverOptions {
  readonly unit?: VtdOptions
  readonly world?: WorldOptions
  readonly frames?: number
  /** Translation stays off. */
  readonly off?: boolean
}

/** A function that only writes down what it receives; completes invalidations at once unless told otherwise. */
export class RecordingFunction implements PciFunction {
  readonly rid: number
  /** `pasid grpid code`, one a response. */
  readonly responses: string[] = []
  readonly privates: number[] = []
  readonly invalidations: { pasid: number; hi: number; lo: number; shift: number; itag: number }[] = []
  completes = true
  readonly #unit: VtdUnit

  constructor(unit: VtdUnit, rid: number = RID) {
    this.rid = rid
    this.#unit = unit
    unit.connect(this)
  }

  invalidateRequest(pasid: number, hi: number, lo: number, shift: number, itag: number): void {
    this.invalidations.push({ pasid, hi, lo, shift, itag })
    if (this.completes) this.#unit.invalidateCompletion(this.rid, 1 << itag)
  }

  pageGroupResponse(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    this.responses.push(`${pasid} ${grpid} ${code}`)
    this.privates.push(private0, private1)
  }
}

/**
 * A driver of a foreign make: raw offsets and bit positions of the manual, none of the unit's own names. Its root
 * table, queues and status word lie in the first frames.
 */
export class ScriptedDriver implements TableFrames {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly unit: VtdUnit
  readonly root: number
  readonly queue: number
  readonly requests: number
  readonly status: number
  tail = 0
  #nextFrame = 1

  constructor(options: DriverOptions = {}) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: (options.frames ?? 1024) * 4096, wasm: false })
    const config = vtdConfig(options.unit)
    this.unit = new VtdUnit(this.world, { name: 'iommu0', memory: this.memory, config })
    this.root = this.allocTable()
    this.queue = this.allocTable()
    this.requests = this.allocTable()
    this.status = this.allocTable()
    this.write(0x90, (this.queue << 12) | 0x800)
    this.write(0xd0, this.requests << 12)
    this.write(0x20, (this.root << 12) | 0x400)
    this.write(0x18, 0x40000000)
    this.write(0x18, 0x04000000)
    for (const control of [0x38, 0xa0, 0xe0]) this.write(control, 0)
    if (options.off !== true) this.write(0x18, 0x84000000)
  }

  allocTable(): number {
    return this.#nextFrame++
  }

  freeTable(): void {}

  read(register: number): number {
    return this.unit.readRegister(register) >>> 0
  }

  write(register: number, value: number): void {
    this.unit.writeRegister(register, value | 0)
  }

  pageTable(format: PageTableFormat = X86_64_4_LEVEL): PageTable {
    return new PageTable({ memory: this.memory, format, frames: this })
  }

  /** Word of the device's context entry; the context table is made when there is none. */
  contextWord(rid: number = RID): number {
    const { words } = this.memory
    const root = this.root * 1024 + (rid >>> 8) * 4 + ((rid & 0x80) === 0 ? 0 : 2)
    if (words[root] === 0) words[root] = (this.allocTable() << 12) | 1
    return (words[root]! >>> 12) * 1024 + (rid & 0x7f) * 8
  }

  /** Writes the context entry; its PASID directory (2^(pdts + 7) entries) is made at the first call. */
  setContext(rid: number = RID, flags: number = ALL_CONTEXT, word2 = 0, pdts = 0): void {
    const { words } = this.memory
    const at = this.contextWord(rid)
    const directory = words[at]! >>> 12 === 0 ? this.#directory(pdts) : words[at]! >>> 12
    words[at] = flags | (pdts << 9) | (directory << 12)
    words[at + 2] = word2
  }

  #directory(pdts: number): number {
    const first = this.allocTable()
    for (let i = 1; i < 2 ** pdts / 4; i++) this.allocTable()
    return first
  }

  /** Word of the PASID directory's entry. */
  directoryWord(pasid: number, rid: number = RID): number {
    return (this.memory.words[this.contextWord(rid)]! >>> 12) * 1024 + (pasid >>> 6) * 2
  }

  /** Word of the PASID's entry; its table is made when there is none. */
  entryWord(pasid: number, rid: number = RID): number {
    const { words } = this.memory
    const at = this.directoryWord(pasid, rid)
    if (words[at] === 0) words[at] = (this.allocTable() << 12) | 1
    return (words[at]! >>> 12) * 1024 + (pasid & 63) * 16
  }

  /** Writes a PASID entry, in memory only: the caller invalidates. PASID 0 is that of requests without one. */
  setEntry(pasid: number, options: EntryOptions, rid: number = RID): void {
    const { flags = 1, pgtt = 1, did = 1, width = 2, secondRoot = 0, firstRoot = 0, rules = 0x30 } = options
    const words = [
      flags | (width << 2) | (pgtt << 6) | (secondRoot << 12),
      0,
      did,
      0,
      rules | (firstRoot << 12),
    ]
    this.memory.words.set(words, this.entryWord(pasid, rid))
  }

  /** A device with everything enabled; requests without PASID and with PASID 5 have one first-stage table. */
  simpleDevice(rid: number = RID, did = 1): PageTable {
    const table = this.pageTable()
    this.setContext(rid)
    this.setEntry(0, { firstRoot: table.root, did }, rid)
    this.setEntry(5, { firstRoot: table.root, did }, rid)
    return table
  }

  /** Puts a descriptor on the queue and rings the bell. */
  submit(...words: readonly number[]): void {
    for (let i = 0; i < 8; i++) this.memory.store32(this.queue, this.tail + 4 * i, words[i] ?? 0)
    this.tail = (this.tail + 32) & 4095
    this.write(0x88, this.tail)
  }

  invalidateContexts(): void {
    this.submit(0x11)
  }

  invalidatePasids(): void {
    this.submit(0x37)
  }

  invalidateIotlb(): void {
    this.submit(0x12)
  }

  /** A wait that stores; `true` when it has completed. Flags: 0x10 interrupt, 0x40 fence, 0x80 page-request drain. */
  wait(flags = 0): boolean {
    this.memory.store32(this.status, 0, 0)
    this.submit(0x25 | flags, 0x5a5a, this.status << 12, 0)
    return this.waited
  }

  get waited(): boolean {
    return this.memory.load32(this.status, 0) === 0x5a5a
  }

  /** Frame that an untranslated read (or `access`) reaches, -1 when blocked. */
  dma(pasid: number, hi: number, lo: number, access: number = ACCESS_READ, rid: number = RID): number {
    const out = new Translation()
    return this.unit.untranslatedRequest(rid, pasid, hi, lo, access, out) ? out.frame : -1
  }

  /** A translation request: `status access frame`, frame only with access. */
  ats(pasid: number, hi: number, lo: number, access: number = ACCESS_READ, rid: number = RID): string {
    const out = new Translation()
    const status = this.unit.translationRequest(rid, pasid, hi, lo, access, out)
    if (status !== 0) return `${status}`
    return out.access === 0 ? '0 0' : `${status} ${out.access} ${out.frame}`
  }

  send(request: Partial<PageRequest>): void {
    this.unit.pageRequest(
      Object.assign(new PageRequest(), { rid: RID, access: ACCESS_READ, last: true, ...request }),
    )
  }

  /** Takes the records of the page request queue, as `spec/04` §1.3 says; words as unsigned hexadecimal. */
  takeRequests(): string[] {
    this.write(0xdc, 1)
    const tail = this.read(0xc8)
    const records: string[] = []
    for (let at = this.read(0xc0); at !== tail; at = (at + 32) & 4095) {
      const words = Array.from({ length: 6 }, (_, i) => this.memory.load32(this.requests, at + 4 * i) >>> 0)
      records.push(words.map((word) => word.toString(16)).join(' '))
    }
    this.write(0xc0, tail)
    return records
  }

  /** Reads and clears the fault recording registers, oldest first, as `spec/04` §1.7 says. */
  takeFaults(): { reason: number; rid: number; pasid: number; hi: number; lo: number; bits: number }[] {
    const found = []
    const count = ((this.read(0x0c) >>> 8) & 0xff) + 1
    let index = (this.read(0x34) >>> 8) & 0xff
    while ((this.read(0x34) & 2) !== 0) {
      const at = 0x400 + 16 * index
      const [word2, word3] = [this.read(at + 8), this.read(at + 12)]
      index = (index + 1) % count
      if (word3 >>> 31 === 0) continue
      const pasid = word2 >>> 31 === 0 ? NO_PASID : (word3 >>> 8) & 0xfffff
      found.push({
        reason: word3 & 0xff,
        rid: word2 & 0xffff,
        pasid,
        hi: this.read(at + 4),
        lo: this.read(at),
        // Privileged 6, execute 5, T2 4, T1 2, address type 1:0.
        bits: ((word2 >>> 24) & 0x70) | ((word3 >>> 28) & 7),
      })
      this.write(at + 12, 0x80000000)
    }
    this.write(0x34, 1)
    return found
  }

  reasons(): number[] {
    return this.takeFaults().map(({ reason }) => reason)
  }

  run(): void {
    this.world.scheduler.runUntilIdle()
  }
}
