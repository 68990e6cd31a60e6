// SPDX-License-Identifier: MIT
import {
  type DriverOptions,
  READ_WRITE,
  RID,
  type RequestRecord,
  ScriptedDriver,
} from '../../iommus/simple/scripted-driver.suite.ts'
import * as L from '../../iommus/simple/layout.ts'
import type { PageTable } from '../../page-tables/page-table.ts'
import * as C from '../../pci/config-layout.ts'
import { NO_PASID, PRG_SUCCESS } from '../../pci/messages.ts'
import type { Histogram } from '../../../trace/histogram.ts'
import { type DmaEngineOptions, dmaEngineConfig } from './config.ts'
import { DmaEngine } from './engine.ts'
import { type Transfer, type TransferOptions, createTransfer } from './transfer.ts'

export interface RigOptions extends DriverOptions {
  readonly engine?: DmaEngineOptions
  /** Outstanding Page Request Allocation; default the capacity. 0: PRI stays off. */
  readonly allocation?: number
  readonly ats?: boolean
  readonly firstDataFrame?: number
  readonly histogram?: Histogram
}

/** What the scripted handler does with a group. */
export type Answer = (group: readonly RequestRecord[]) => number | undefined

/** An engine below a `simple` unit, with a scripted driver that maps what is asked for. Table of domain 1, PASID 5. */
export class EngineRig {
  readonly driver: ScriptedDriver
  readonly engine: DmaEngine
  readonly table: PageTable
  /** Groups received, in order of their last request. */
  readonly groups: RequestRecord[][] = []
  /** Stop Markers received, by PASID. */
  readonly stopMarkers: number[] = []
  /** Code to answer with; `undefined`: no answer. */
  answer: Answer = (group) => this.mapAll(group)
  #partial: RequestRecord[] = []
  #nextFrame: number

  constructor(options: RigOptions = {}) {
    this.driver = new ScriptedDriver({ frames: 4096, ...options })
    this.#nextFrame = options.firstDataFrame ?? 2048
    this.table = this.driver.simpleDevice()
    const config = dmaEngineConfig(options.engine)
    this.engine = new DmaEngine(this.driver.world, {
      name: 'dma0',
      rid: RID,
      agent: this.driver.unit,
      memory: this.driver.memory,
      config,
      ...(options.histogram === undefined ? {} : { histogram: options.histogram }),
    })
    this.driver.unit.connect(this.engine)
    this.driver.unit.interrupts.pageRequest.connect(() => this.handle())
    this.enable(options.ats ?? true, options.allocation ?? config.pri?.capacity ?? 0)
  }

  /** PASID, ATS, PRI in the order of spec/01 §6.3, through configuration space. */
  enable(ats: boolean, allocation: number): void {
    const space = this.engine.configSpace
    const pasid = space.findCapability(C.CAPABILITY_PASID)
    if (pasid !== 0) space.write16(pasid + C.PASID_CONTROL, C.PASID_ENABLE | C.PASID_PRIV)
    const atsAt = space.findCapability(C.CAPABILITY_ATS)
    if (atsAt !== 0 && ats) space.write16(atsAt + C.ATS_CONTROL, C.ATS_ENABLE)
    const pri = space.findCapability(C.CAPABILITY_PRI)
    if (pri === 0 || allocation === 0) return
    space.write32(pri + C.PRI_ALLOCATION, allocation)
    space.write16(pri + C.PRI_CONTROL, C.PRI_ENABLE)
  }

  priStatus(): number {
    const space = this.engine.configSpace
    return space.read16(space.findCapability(C.CAPABILITY_PRI) + C.PRI_STATUS)
  }

  priControl(value: number): void {
    const space = this.engine.configSpace
    space.write16(space.findCapability(C.CAPABILITY_PRI) + C.PRI_CONTROL, value)
  }

  /** The page-request interrupt: records to groups, groups to answers. */
  handle(): void {
    for (const record of this.driver.takeRequests()) {
      if (record.last && !record.read && !record.write && record.pasid !== NO_PASID) {
        this.stopMarkers.push(record.pasid)
        continue
      }
      this.#partial.push(record)
      if (!record.last) continue
      const group = this.#partial.filter(({ grpid }) => grpid === record.grpid)
      this.#partial = this.#partial.filter(({ grpid }) => grpid !== record.grpid)
      this.groups.push(group)
      const code = this.answer(group)
      if (code !== undefined) this.respond(record, code)
    }
    if ((this.driver.read(L.REG_STATUS) & L.STATUS_PAGE_REQUEST_OVERFLOW) !== 0) {
      this.#partial = []
      this.driver.write(L.REG_STATUS, L.STATUS_PAGE_REQUEST_OVERFLOW)
    }
  }

  respond(record: RequestRecord, code: number): void {
    const [private0, private1] = record.private
    this.driver.respond(
      record.rid,
      record.pasid,
      record.grpid,
      code,
      L.COMMAND_PRIVATE_PRESENT,
      private0,
      private1,
    )
  }

  /** Maps each page of the group to a fresh frame that is not zero. */
  mapAll(group: readonly RequestRecord[]): number {
    for (const { hi, lo } of group) this.mapPage(hi, lo)
    return PRG_SUCCESS
  }

  mapPage(hi: number, lo: number, access: number = READ_WRITE): number {
    const mapped = this.frameAt(hi, lo)
    if (mapped >= 0) return mapped
    const frame = this.#nextFrame++
    for (let at = 0; at < 4096; at += 4)
      this.driver.memory.store32(frame, at, Math.imul(frame * 1024 + at + hi, 0x9e3779b1) ^ lo)
    this.table.map(hi, lo & ~0xfff, frame, 1, access)
    return frame
  }

  /** Unmaps and invalidates in the order that the unit asks for. */
  unmapPage(hi: number, lo: number, pasid = 5): boolean {
    this.table.unmap(hi, lo & ~0xfff, 1)
    this.driver.invalidateIotlb(1, hi, lo & ~0xfff, 12)
    this.driver.invalidateAtc(RID, pasid, hi, lo & ~0xfff, 12)
    return this.driver.wait()
  }

  frameAt(hi: number, lo: number): number {
    const out = { frame: 0, shift: 12, access: 0, frameOffset: 0, stalled: 0 }
    return this.table.lookup(hi, lo & ~0xfff, out) ? out.frame : -1
  }

  /** Bytes of the address space; unmapped pages are `undefined`. */
  bytes(address: bigint, length: number): (number | undefined)[] {
    return Array.from({ length }, (_, i) => {
      const at = address + BigInt(i)
      const frame = this.frameAt(Number(at >> 32n) | 0, Number(at & 0xffffffffn) | 0)
      return frame < 0 ? undefined : this.driver.memory.bytes[frame * 4096 + Number(at & 0xfffn)]
    })
  }

  submit(options: TransferOptions): Transfer {
    const transfer = createTransfer({ pasid: 5, ...options })
    this.engine.submit(transfer)
    return transfer
  }

  settle(): void {
    this.driver.world.scheduler.runUntilIdle(1_000_000)
  }

  /** Submits and runs to the end of everything. */
  run(options: TransferOptions): Transfer {
    const transfer = this.submit(options)
    this.settle()
    return transfer
  }
}
