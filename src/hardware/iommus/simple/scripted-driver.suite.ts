// SPDX-License-Identifier: MIT
import { PageTable, type TableFrames } from '../../page-tables/page-table.ts'
import { X86_64_4_LEVEL } from '../../page-tables/formats/x86-64.ts'
import type { PageTableFormat } from '../../page-tables/format.ts'
import { PhysicalMemory } from '../../memory.ts'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID, type PciFunction, Translation } from '../../pci/messages.ts'
import { type World, type WorldOptions, createWorld } from '../../../trace/world.ts'
import { type SimpleIommuOptions, simpleConfig } from './config.ts'
import {
  COMMAND_CODE_SHIFT,
  COMMAND_INVALIDATE_ATC,
  COMMAND_INVALIDATE_CONTEXT,
  COMMAND_INVALIDATE_IOTLB,
  COMMAND_INVALIDATE_PASID,
  COMMAND_PAGE_RESPONSE,
  COMMAND_PASID_PRESENT,
  COMMAND_PRGI_SHIFT,
  COMMAND_RANGE_ALL,
  COMMAND_RID_SHIFT,
  COMMAND_WAIT,
  CONTROL_COMMANDS,
  CONTROL_FAULTS,
  CONTROL_PAGE_REQUESTS,
  CONTROL_TRANSLATE,
  DEVICE_ATS,
  DEVICE_PASID,
  DEVICE_PASID_BITS_SHIFT,
  DEVICE_PRI,
  DEVICE_RESPONSE_PASID,
  DEVICE_VALID,
  FORMAT_X86_64_4_LEVEL,
  INTERRUPT_COMMAND,
  INTERRUPT_FAULT,
  INTERRUPT_PAGE_REQUEST,
  REG_COMMAND_BASE,
  REG_COMMAND_ENTRIES,
  REG_COMMAND_TAIL,
  REG_CONTROL,
  REG_DEVICE_DIRECTORY,
  REG_FAULT_BASE,
  REG_FAULT_ENTRIES,
  REG_FAULT_HEAD,
  REG_FAULT_TAIL,
  REG_INTERRUPT_ENABLE,
  REG_PAGE_REQUEST_BASE,
  REG_PAGE_REQUEST_ENTRIES,
  REG_PAGE_REQUEST_HEAD,
  REG_PAGE_REQUEST_TAIL,
  REG_STATUS,
  SPACE_FORMAT_SHIFT,
  SPACE_STAGE1,
  SPACE_STAGE2_FORMAT_SHIFT,
  SPACE_TYPE_SHIFT,
  SPACE_VALID,
  STATUS_FAULT_PENDING,
  STATUS_PAGE_REQUEST_PENDING,
  WAIT_STORE,
} from './layout.ts'
import { SimpleIommu } from './unit.ts'

export const RID = 0x0110
export const ALL_DEVICE_FLAGS: number =
  DEVICE_VALID | DEVICE_ATS | DEVICE_PRI | DEVICE_PASID | DEVICE_RESPONSE_PASID

export interface RequestRecord {
  readonly rid: number
  readonly pasid: number
  readonly hi: number
  readonly lo: number
  readonly grpid: number
  readonly read: boolean
  readonly write: boolean
  readonly exec: boolean
  readonly priv: boolean
  readonly last: boolean
  readonly private: readonly [number, number]
}

export interface FaultRecordView {
  readonly reason: number
  readonly rid: number
  readonly pasid: number
  readonly access: number
  readonly hi: number
  readonly lo: number
  readonly kind: number
}

export interface SpaceOptions {
  readonly flags?: number
  readonly type?: number
  readonly domain?: number
  readonly format?: number
  readonly root?: number
  readonly stage2Format?: number
  readonly stage2Root?: number
}

/** A function that only writes down what it receives; completes invalidations at once unless told otherwise. */
export class RecordingFunction implements PciFunction {
  readonly rid: number
  readonly responses: { pasid: number; grpid: number; code: number; private: [number, number] }[] = []
  readonly invalidations: { pasid: number; hi: number; lo: number; shift: number; itag: number }[] = []
  completes = true
  readonly #unit: SimpleIommu

  constructor(unit: SimpleIommu, rid: number = RID) {
    this.rid = rid
    this.#unit = unit
  }

  invalidateRequest(pasid: number, hi: number, lo: number, shift: number, itag: number): void {
    this.invalidations.push({ pasid, hi, lo, shift, itag })
    if (this.completes) this.#unit.invalidateCompletion(this.rid, 1 << itag)
  }

  pageGroupResponse(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    this.responses.push({ pasid, grpid, code, private: [private0, private1] })
  }
}

export interface DriverOptions {
  readonly unit?: SimpleIommuOptions
  readonly world?: WorldOptions
  readonly frames?: number
  readonly wasm?: boolean
  readonly commandEntries?: number
  readonly requestEntries?: number
  readonly faultEntries?: number
  readonly control?: number
}

/** A driver of a foreign make: knows the registers and the memory, nothing of the unit's insides. */
export class ScriptedDriver implements TableFrames {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly unit: SimpleIommu
  readonly directory: number
  readonly commandBase: number
  readonly requestBase: number
  readonly faultBase: number
  readonly waitFrame: number
  readonly commandEntries: number
  readonly requestEntries: number
  readonly faultEntries: number
  commandTail = 0
  #nextFrame = 1

  constructor(options: DriverOptions = {}) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: (options.frames ?? 1024) * 4096, wasm: options.wasm ?? false })
    this.unit = new SimpleIommu(this.world, {
      name: 'iommu0',
      memory: this.memory,
      config: simpleConfig(options.unit),
    })
    this.commandEntries = options.commandEntries ?? 64
    this.requestEntries = options.requestEntries ?? 64
    this.faultEntries = options.faultEntries ?? 64
    this.directory = this.allocTable()
    this.commandBase = this.allocTable()
    this.requestBase = this.allocTable()
    this.faultBase = this.allocTable()
    this.waitFrame = this.allocTable()
    this.#start(
      options.control ?? CONTROL_TRANSLATE | CONTROL_COMMANDS | CONTROL_PAGE_REQUESTS | CONTROL_FAULTS,
    )
  }

  allocTable(): number {
    return this.#nextFrame++
  }

  freeTable(): void {}

  read(register: number): number {
    return this.unit.readRegister(register)
  }

  write(register: number, value: number): void {
    this.unit.writeRegister(register, value)
  }

  /** A page table of the test's own. */
  pageTable(format: PageTableFormat = X86_64_4_LEVEL): PageTable {
    return new PageTable({ memory: this.memory, format, frames: this })
  }

  /** Writes the device's flags and its PASID directory (made at the first call). */
  setDevice(rid: number, flags: number = ALL_DEVICE_FLAGS, pasidBits: number = 10): void {
    const leaf = this.#leaf(this.directory, rid)
    const at = (rid & 127) * 32
    if (this.memory.load32(leaf, at + 4) === 0) this.memory.store32(leaf, at + 4, this.allocTable())
    this.memory.store32(leaf, at, flags | (pasidBits << DEVICE_PASID_BITS_SHIFT))
  }

  /** Writes the address space of (device, PASID), in memory only: the caller invalidates. */
  setSpace(rid: number, pasid: number, options: SpaceOptions): void {
    const deviceLeaf = this.#leaf(this.directory, rid)
    let frame = deviceLeaf
    let at = (rid & 127) * 32 + 8
    if (pasid !== NO_PASID) {
      frame = this.#leaf(this.memory.load32(deviceLeaf, (rid & 127) * 32 + 4), pasid)
      at = (pasid & 127) * 32
    }
    const flags =
      (options.flags ?? SPACE_VALID) |
      ((options.type ?? SPACE_STAGE1) << SPACE_TYPE_SHIFT) |
      ((options.format ?? FORMAT_X86_64_4_LEVEL) << SPACE_FORMAT_SHIFT) |
      ((options.stage2Format ?? 0) << SPACE_STAGE2_FORMAT_SHIFT)
    const words = [flags, options.domain ?? 1, options.root ?? 0, 0, options.stage2Root ?? 0]
    for (const [index, word] of words.entries()) this.memory.store32(frame, at + 4 * index, word)
  }

  /** A device with everything enabled, whose requests without PASID and with PASID 5 use one table, domain 1. */
  simpleDevice(rid: number = RID, table: PageTable = this.pageTable()): PageTable {
    this.setDevice(rid)
    this.setSpace(rid, NO_PASID, { root: table.root })
    this.setSpace(rid, 5, { root: table.root })
    return table
  }

  /** Puts a command on the ring and rings the bell. */
  command(...words: readonly number[]): void {
    const frame = this.commandBase + (this.commandTail >> 7)
    const at = (this.commandTail & 127) * 32
    for (let i = 0; i < 8; i++) this.memory.store32(frame, at + 4 * i, words[i] ?? 0)
    this.commandTail = (this.commandTail + 1) % this.commandEntries
    this.write(REG_COMMAND_TAIL, this.commandTail)
  }

  invalidateContext(rid: number): void {
    this.command(COMMAND_INVALIDATE_CONTEXT | (rid << COMMAND_RID_SHIFT))
  }

  invalidatePasid(rid: number, pasid: number): void {
    this.command(COMMAND_INVALIDATE_PASID | present(pasid) | (rid << COMMAND_RID_SHIFT), pasidWord(pasid))
  }

  invalidateIotlb(domain: number, hi = 0, lo = 0, shift: number = COMMAND_RANGE_ALL): void {
    this.command(COMMAND_INVALIDATE_IOTLB, domain, lo, hi, shift)
  }

  invalidateAtc(rid: number, pasid: number, hi = 0, lo = 0, shift: number = COMMAND_RANGE_ALL): void {
    const word0 = COMMAND_INVALIDATE_ATC | present(pasid) | (rid << COMMAND_RID_SHIFT)
    this.command(word0, pasidWord(pasid), lo, hi, shift)
  }

  respond(
    rid: number,
    pasid: number,
    grpid: number,
    code: number,
    extra = 0,
    private0 = 0,
    private1 = 0,
  ): void {
    const word0 = COMMAND_PAGE_RESPONSE | present(pasid) | extra | (rid << COMMAND_RID_SHIFT)
    const word1 = pasidWord(pasid) | (code << COMMAND_CODE_SHIFT)
    this.command(word0, word1, grpid << COMMAND_PRGI_SHIFT, 0, private0, private1)
  }

  /** A WAIT that stores; `true` when it has completed. */
  wait(flags = 0): boolean {
    this.memory.store32(this.waitFrame, 0, 0)
    this.command(COMMAND_WAIT | WAIT_STORE | flags, 0x5a5a, this.waitFrame, 0)
    return this.waited()
  }

  waited(): boolean {
    return this.memory.load32(this.waitFrame, 0) === 0x5a5a
  }

  /** Takes the records of the page-request ring, in the order of spec/04 §1.3. */
  takeRequests(): RequestRecord[] {
    this.write(REG_STATUS, STATUS_PAGE_REQUEST_PENDING)
    const tail = this.read(REG_PAGE_REQUEST_TAIL)
    const records: RequestRecord[] = []
    for (let at = this.read(REG_PAGE_REQUEST_HEAD); at !== tail; at = (at + 1) % this.requestEntries)
      records.push(decodeRequest(this.#record(this.requestBase, at)))
    this.write(REG_PAGE_REQUEST_HEAD, tail)
    return records
  }

  takeFaults(): FaultRecordView[] {
    this.write(REG_STATUS, STATUS_FAULT_PENDING)
    const tail = this.read(REG_FAULT_TAIL)
    const records: FaultRecordView[] = []
    for (let at = this.read(REG_FAULT_HEAD); at !== tail; at = (at + 1) % this.faultEntries)
      records.push(decodeFault(this.#record(this.faultBase, at)))
    this.write(REG_FAULT_HEAD, tail)
    return records
  }

  /** Frame that an untranslated read (or `access`) reaches, -1 when blocked. */
  dma(pasid: number, hi: number, lo: number, access: number = ACCESS_READ, rid: number = RID): number {
    const out = new Translation()
    return this.unit.untranslatedRequest(rid, pasid, hi, lo, access, out) ? out.frame : -1
  }

  #record(base: number, index: number): number[] {
    const at = (index & 127) * 32
    return Array.from({ length: 8 }, (_, i) => this.memory.load32(base + (index >> 7), at + 4 * i))
  }

  #leaf(directory: number, id: number): number {
    const frame = directory + (id >> 17)
    const at = ((id >> 7) & 1023) * 4
    if (this.memory.load32(frame, at) === 0) this.memory.store32(frame, at, this.allocTable())
    return this.memory.load32(frame, at)
  }

  #start(control: number): void {
    this.write(REG_DEVICE_DIRECTORY, this.directory)
    this.write(REG_COMMAND_BASE, this.commandBase)
    this.write(REG_COMMAND_ENTRIES, this.commandEntries)
    this.write(REG_PAGE_REQUEST_BASE, this.requestBase)
    this.write(REG_PAGE_REQUEST_ENTRIES, this.requestEntries)
    this.write(REG_FAULT_BASE, this.faultBase)
    this.write(REG_FAULT_ENTRIES, this.faultEntries)
    this.write(REG_INTERRUPT_ENABLE, INTERRUPT_PAGE_REQUEST | INTERRUPT_FAULT | INTERRUPT_COMMAND)
    this.write(REG_CONTROL, control)
  }
}

export const READ_WRITE: number = ACCESS_READ | ACCESS_WRITE

function present(pasid: number): number {
  return pasid === NO_PASID ? 0 : COMMAND_PASID_PRESENT
}

function pasidWord(pasid: number): number {
  return pasid === NO_PASID ? 0 : pasid
}

/** By the bit positions that `layout.ts` documents, spelled out as a foreign driver would. */
function decodeRequest(words: readonly number[]): RequestRecord {
  const [word0 = 0, word1 = 0, word2 = 0, hi = 0, private0 = 0, private1 = 0] = words
  return {
    rid: word0 >>> 16,
    pasid: (word0 >> 8) & 1 ? word1 & 0xfffff : NO_PASID,
    hi,
    lo: word2 & ~0xfff,
    grpid: (word2 >>> 3) & 0x1ff,
    read: (word2 & 1) !== 0,
    write: (word2 & 2) !== 0,
    last: (word2 & 4) !== 0,
    exec: ((word1 >> 20) & 1) !== 0,
    priv: ((word1 >> 21) & 1) !== 0,
    private: [private0, private1],
  }
}

function decodeFault(words: readonly number[]): FaultRecordView {
  const [word0 = 0, word1 = 0, lo = 0, hi = 0] = words
  return {
    reason: word0 & 0xff,
    rid: word0 >>> 16,
    pasid: (word0 >> 8) & 1 ? word1 & 0xfffff : NO_PASID,
    access: (word1 >>> 24) & 15,
    kind: word0 & 0x600,
    hi,
    lo,
  }
}
