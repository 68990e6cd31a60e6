// SPDX-License-Identifier: MIT
import { toBigint } from '../../../base/u64.ts'
import { LPAE_STAGE1, LPAE_STAGE2 } from '../../page-tables/formats/lpae.ts'
import type { PageTableFormat } from '../../page-tables/format.ts'
import { PageTable, type TableFrames } from '../../page-tables/page-table.ts'
import { PhysicalMemory } from '../../memory.ts'
import { ACCESS_READ, NO_PASID, type PciFunction, Translation } from '../../pci/messages.ts'
import { createWorld, type World, type WorldOptions } from '../../../trace/world.ts'
import { smmuv3Config, type Smmuv3Options } from './config.ts'
import * as L from './layout.ts'
import * as Q from './layout-queues.ts'
import { Smmuv3 } from './unit.ts'

export const SID = 0x0110

/** One event as a foreign driver reads it, by the bit positions of the manual. */
export interface EventView {
  readonly id: number
  readonly sid: number
  readonly ssid: number
  readonly stag: number | undefined
  readonly read: boolean
  readonly instruction: boolean
  readonly privileged: boolean
  readonly s2: boolean
  readonly class: number
  readonly address: bigint
  readonly ipa: bigint
}

/** A function that writes down what it receives; completes invalidations at once unless told otherwise. */
export class RecordingFunction implements PciFunction {
  readonly rid: number
  readonly responses: string[] = []
  readonly invalidations: string[] = []
  /** `transaction outcome`. */
  readonly resumed: string[] = []
  completes = true
  readonly #unit: Smmuv3

  constructor(unit: Smmuv3, rid: number = SID) {
    this.rid = rid
    this.#unit = unit
  }

  invalidateRequest(pasid: number, hi: number, lo: number, shift: number, itag: number): void {
    this.invalidations.push(`${pasid} ${hi.toString(16)} ${(lo >>> 0).toString(16)} ${shift}`)
    if (this.completes) this.#unit.invalidateCompletion(this.rid, 1 << itag)
  }

  pageGroupResponse(pasid: number, grpid: number, code: number): void {
    this.responses.push(`${pasid} ${grpid} ${code}`)
  }

  transactionResumed(transaction: number, outcome: number): void {
    this.resumed.push(`${transaction} ${outcome}`)
  }
}

export interface DriverOptions {
  readonly unit?: Smmuv3Options
  readonly world?: WorldOptions
  readonly eventLog2?: number
  readonly priLog2?: number
  readonly commandLog2?: number
  /** SPLIT of a 2-level stream table; absent: linear. */
  readonly split?: number
}

export interface CdOptions {
  readonly root?: number
  readonly asid?: number
  readonly tsz?: number
  /** Changed bits of words 0 and 1. */
  readonly flip0?: number
  readonly flip1?: number
  readonly root1?: number
  readonly stall?: boolean
}

/** A driver of a foreign make: knows registers, structures and queues, nothing of the unit's insides. */
export class ScriptedDriver implements TableFrames {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly unit: Smmuv3
  readonly streamTable: number
  readonly commandBase: number
  readonly eventBase: number
  readonly priBase: number
  readonly split: number | undefined
  readonly #masks: { readonly command: number; readonly event: number; readonly pri: number }
  #nextFrame = 1

  constructor(options: DriverOptions = {}) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: 2048 * 4096, wasm: false })
    const config = smmuv3Config({ streamIdBits: 9, ...options.unit })
    this.unit = new Smmuv3(this.world, { name: 'smmu0', memory: this.memory, config })
    this.split = options.split
    const logs = {
      command: options.commandLog2 ?? 6,
      event: options.eventLog2 ?? 6,
      pri: options.priLog2 ?? 6,
    }
    this.#masks = { command: 2 ** logs.command, event: 2 ** logs.event, pri: 2 ** logs.pri }
    this.streamTable = this.frames(8)
    this.commandBase = this.allocTable()
    this.eventBase = this.allocTable()
    this.priBase = this.allocTable()
    this.#start(logs)
  }

  allocTable(): number {
    return this.frames(1)
  }

  freeTable(): void {}

  frames(count: number): number {
    this.#nextFrame += count
    return this.#nextFrame - count
  }

  read(register: number): number {
    return this.unit.readRegister(register)
  }

  write(register: number, value: number): void {
    this.unit.writeRegister(register, value)
  }

  table(format: PageTableFormat = LPAE_STAGE1): PageTable {
    return new PageTable({ memory: this.memory, format, frames: this })
  }

  stage2Table(): PageTable {
    return this.table(LPAE_STAGE2)
  }

  /** Word index of a stream's entry. */
  steOf(sid: number): number {
    const { words } = this.memory
    if (this.split === undefined) return this.streamTable * 1024 + sid * 16
    const level1 = this.streamTable * 1024 + (sid >> this.split) * 2
    if (words[level1] === 0) words[level1] = (this.allocTable() << 12) | (this.split + 1)
    return ((words[level1]! & ~0xfff) >>> 2) + (sid & (2 ** this.split - 1)) * 16
  }

  setSte(sid: number, words: readonly number[]): void {
    const at = this.steOf(sid)
    for (let i = 0; i < 16; i++) this.memory.words[at + i] = words[i] ?? 0
  }

  /** Words of a stage-1 entry with one CD, or 2^cdBits of them. */
  stage1Ste(
    cdFrame: number,
    options: { cdBits?: number; s1dss?: number; format?: number; word2?: number } = {},
  ): number[] {
    const { cdBits = 0, s1dss = 2, format = 0, word2 = 1 << 28 } = options
    return [(cdFrame << 12) | (format << 4) | (5 << 1) | 1, cdBits << 27, s1dss | word2, 0]
  }

  /** Words 4 to 7 of an entry with stage 2: 42 bits, four levels, HA and HD, faults recorded. */
  stage2Words(
    root: number,
    options: { vmid?: number; bits?: number; sl0?: number; flip5?: number } = {},
  ): number[] {
    const { vmid = 1, bits = 42, sl0 = 2, flip5 = 0 } = options
    const word5 = (64 - bits) | (sl0 << 6) | (3 << 16) | (1 << 19) | (1 << 23) | (1 << 24) | (1 << 26)
    return [vmid, word5 ^ flip5, root << 12, 0]
  }

  stage2Ste(
    root: number,
    options: { vmid?: number; bits?: number; sl0?: number; flip5?: number } = {},
  ): number[] {
    return [(6 << 1) | 1, 0, 1 << 28, 0, ...this.stage2Words(root, options)]
  }

  /** A CD: 48 bits, lower half only, HA and HD, faults recorded and aborted. */
  setCd(word: number, options: CdOptions = {}): void {
    const { words } = this.memory
    const { root = 0, asid = 1, tsz = 16, root1, stall = false } = options
    const upper = root1 === undefined ? 1 << 30 : (tsz << 16) | (2 << 22)
    words[word] = (tsz | upper | (1 << 31)) ^ (options.flip0 ?? 0)
    const bits = 3 | (1 << 9) | (1 << 10) | (1 << 11) | (stall ? 1 << 12 : 0) | (1 << 13) | (1 << 14)
    words[word + 1] = (bits | (asid << 16)) ^ (options.flip1 ?? 0)
    words[word + 2] = root << 12
    words[word + 3] = root >>> 20
    words[word + 4] = (root1 ?? 0) << 12
  }

  /** A stream whose requests without substream go through one stage-1 table, ASID 1. */
  simpleStream(options: CdOptions = {}, sid: number = SID): PageTable {
    const table = this.table()
    const cd = this.allocTable()
    this.setCd(cd * 1024, { root: table.root, ...options })
    this.setSte(sid, this.stage1Ste(cd))
    return table
  }

  connect(sid: number = SID): RecordingFunction {
    const port = new RecordingFunction(this.unit, sid)
    this.unit.connect(port)
    return port
  }

  /** Puts a command on the queue and rings the bell. */
  command(...words: readonly number[]): void {
    const prod = this.read(L.SMMU_CMDQ_PROD)
    const size = this.#masks.command
    const at = this.commandBase * 1024 + (prod & (size - 1)) * 4
    for (let i = 0; i < 4; i++) this.memory.words[at + i] = words[i] ?? 0
    this.write(L.SMMU_CMDQ_PROD, (prod + 1) & (2 * size - 1))
  }

  /** CMD_SYNC; whether everything was executed. */
  sync(): boolean {
    this.command(Q.CMD_SYNC)
    return this.synced
  }

  get synced(): boolean {
    return this.read(L.SMMU_CMDQ_PROD) === (this.read(L.SMMU_CMDQ_CONS) & 0xfffff)
  }

  forgetStream(sid: number = SID): void {
    this.command(Q.CMD_CFGI_STE, sid, 1)
  }

  forgetCd(ssid: number, sid: number = SID): void {
    this.command(Q.CMD_CFGI_CD | (ssid << 12), sid, 1)
  }

  /** `action`: 0 terminate, 1 retry, 2 abort. */
  resume(stag: number, action: number, sid: number = SID): void {
    this.command(Q.CMD_RESUME | (action << 12), sid, stag)
  }

  takeEvents(): EventView[] {
    const events: EventView[] = []
    const size = this.#masks.event
    const prod = this.read(L.SMMU_EVENTQ_PROD)
    let cons = this.read(L.SMMU_EVENTQ_CONS)
    while (((prod ^ cons) & (2 * size - 1)) !== 0) {
      const at = this.eventBase * 1024 + (cons & (size - 1)) * 8
      events.push(decodeEvent([...this.memory.words.subarray(at, at + 8)]))
      cons = (cons & ~(2 * size - 1)) | ((cons + 1) & (2 * size - 1))
    }
    this.write(L.SMMU_EVENTQ_CONS, cons)
    return events
  }

  /** Frame that an untranslated access reaches; -1 when it is aborted, -2 when it waits. */
  dma(ssid: number, address: bigint, access: number = ACCESS_READ, sid: number = SID): number {
    const out = new Translation()
    const hi = Number(BigInt.asIntN(32, address >> 32n))
    const lo = Number(BigInt.asIntN(32, address))
    if (this.unit.untranslatedRequest(sid, ssid, hi, lo, access, out)) return out.frame
    return out.stalled === 0 ? -1 : -2
  }

  run(): void {
    this.world.scheduler.runUntilIdle()
  }

  #start(logs: { command: number; event: number; pri: number }): void {
    this.write(L.SMMU_STRTAB_BASE, this.streamTable << 12)
    const split = this.split === undefined ? 0 : (1 << 16) | (this.split << 6)
    this.write(L.SMMU_STRTAB_BASE_CFG, split | 9)
    this.write(L.SMMU_CMDQ_BASE, (this.commandBase << 12) | logs.command)
    this.write(L.SMMU_EVENTQ_BASE, (this.eventBase << 12) | logs.event)
    this.write(L.SMMU_PRIQ_BASE, (this.priBase << 12) | logs.pri)
    this.write(L.SMMU_CR2, L.CR2_RECINVSID)
    this.write(L.SMMU_IRQ_CTRL, 7)
    this.write(L.SMMU_CR0, 0xf)
  }
}

function decodeEvent(words: readonly number[]): EventView {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0, lo = 0, hi = 0, ipaLo = 0, ipaHi = 0] = words
  return {
    id: w0 & 0xff,
    sid: w1,
    ssid: (w0 >> 11) & 1 ? w0 >>> 12 : NO_PASID,
    stag: w2 >>> 31 === 1 ? w2 & 0xffff : undefined,
    privileged: ((w3 >> 1) & 1) === 1,
    instruction: ((w3 >> 2) & 1) === 1,
    read: ((w3 >> 3) & 1) === 1,
    s2: ((w3 >> 7) & 1) === 1,
    class: (w3 >> 8) & 3,
    address: toBigint(hi, lo),
    ipa: toBigint(ipaHi, ipaLo),
  }
}
