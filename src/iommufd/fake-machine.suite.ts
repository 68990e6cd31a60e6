// SPDX-License-Identifier: MIT
import { EADDRINUSE, EFAULT, EINVAL, ENOMEM, type Errno, isErrno } from '../base/errno.ts'
import { PAGE_BYTES, pageOf } from '../base/u64.ts'
import { Device, type DeviceOptions } from '../kernel/iommu/device.ts'
import { DOMAIN_BLOCKED, DOMAIN_UNMANAGED, Domain, type DomainOptions } from '../kernel/iommu/domain.ts'
import {
  CAP_DIRTY_TRACKING,
  type IommuDevice,
  type IommuDriver,
  type PagingOptions,
} from '../kernel/iommu/driver.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_PASID_VALID,
  Fault,
  type FaultPolicy,
  type ResponseCode,
} from '../kernel/iommu/fault.ts'
import { IommuCore } from '../kernel/iommu/probe.ts'
import { IopfQueue } from '../kernel/iopf/queue.ts'
import { reportDeviceFault } from '../kernel/iopf/report.ts'
import { type World, type WorldOptions, createWorld } from '../trace/world.ts'
import { IommufdError } from './error.ts'
import { type Iommufd, openIommufd } from './iommufd.ts'
import type { Caller } from './files.ts'
import { Process, type ProcessOptions } from './process.ts'
import type { AddressSpace } from './user-memory.ts'

/** A page table that remembers: page of the IOVA to frame and permission. */
export class FakeDomain extends Domain {
  readonly mapped: Map<number, { readonly frame: number; readonly access: number }> = new Map()
  readonly #machine: FakeMachine

  constructor(machine: FakeMachine, options: DomainOptions) {
    super(options)
    this.#machine = machine
    machine.domains.add(this)
  }

  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    const first = pageOf(hi, lo)
    if (this.#machine.world.failpoints.hit('alloc_table')) throw ENOMEM
    for (let i = 0; i < pages; i++) if (this.mapped.has(first + i)) throw EADDRINUSE
    for (let i = 0; i < pages; i++) this.mapped.set(first + i, { frame: frame + i, access })
  }

  override unmap(hi: number, lo: number, pages: number): number {
    let count = 0
    for (let i = 0; i < pages; i++) if (this.mapped.delete(pageOf(hi, lo) + i)) count++
    return count
  }

  protected override onFree(): void {
    if (this.mapped.size > 0) throw new Error(`domain is freed with ${this.mapped.size} pages`)
    this.#machine.domains.delete(this)
  }
}

/** `dev0 grpid 3 pasid 7 INVALID`. */
export type AnswerText = string

const CODES = ['SUCCESS', 'INVALID', 'FAILURE'] as const

/** Attaches everything, puts devices on a fault queue while a domain of theirs has a handler. */
export class FakeIommu implements IommuDriver {
  readonly name = 'fake'
  readonly maxPasids: number = 1 << 20
  readonly userPasidTable = false
  readonly blockedDomain: Domain
  readonly identityDomain: undefined = undefined
  readonly answers: AnswerText[] = []
  /** Domain attaches that are refused from now on: the device's name. */
  readonly refuses: Set<string> = new Set()
  aperture: { firstPage?: number; lastPage?: number } = {}
  dirtyTracking = false
  groupKey: object | undefined = undefined
  readonly #machine: FakeMachine
  readonly #faultUsers: Map<IommuDevice, number> = new Map()

  constructor(machine: FakeMachine) {
    this.#machine = machine
    this.blockedDomain = new Domain({ type: DOMAIN_BLOCKED, owner: this })
  }

  probeDevice(): void {}
  releaseDevice(): void {}

  deviceGroup(): object | undefined {
    return this.groupKey
  }

  defaultDomain(): Domain {
    return this.blockedDomain
  }

  domainAllocPaging(_device: IommuDevice | undefined, options: PagingOptions): Domain {
    if (this.#machine.world.failpoints.hit('alloc_domain')) throw ENOMEM
    const { type = DOMAIN_UNMANAGED, iopfHandler } = options
    return new FakeDomain(this.#machine, { type, owner: this, iopfHandler, ...this.aperture })
  }

  attachDevice(domain: Domain, device: IommuDevice, old: Domain | undefined): void {
    this.#switch(domain, device, old)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, _pasid: number, old: Domain | undefined): void {
    this.#switch(domain, device, old)
  }

  pageResponse(device: IommuDevice, request: Fault, code: ResponseCode): void {
    const pasid = (request.flags & FAULT_PASID_VALID) === 0 ? '' : ` pasid ${request.pasid}`
    this.answers.push(`${device.name} grpid ${request.grpid}${pasid} ${CODES[code]}`)
  }

  capable(_device: IommuDevice, capability: number): boolean {
    return capability !== CAP_DIRTY_TRACKING || this.dirtyTracking
  }

  takeAnswers(): AnswerText[] {
    return this.answers.splice(0)
  }

  #switch(domain: Domain, device: IommuDevice, old: Domain | undefined): void {
    if (this.refuses.has(device.name) && domain !== this.blockedDomain) throw EINVAL
    if (domain !== this.blockedDomain && this.#machine.world.failpoints.hit('attach')) throw ENOMEM
    if (domain.iopfHandler !== undefined) this.#addFaultUser(device, 1)
    if (old?.iopfHandler !== undefined) this.#addFaultUser(device, -1)
  }

  #addFaultUser(device: IommuDevice, change: number): void {
    const users = (this.#faultUsers.get(device) ?? 0) + change
    this.#faultUsers.set(device, users)
    if (users === 1 && change === 1) this.#machine.queue.addDevice(device)
    else if (users === 0) this.#machine.queue.removeDevice(device)
  }
}

/** Bytes of a process from page 0 up; pages from `firstBad` on are not there. Frame = page + 1000. */
export class FakeMm implements AddressSpace {
  pinnedVm = 0
  lockedVm = 0
  copied = 0
  /** Pins in force. */
  pins = 0
  references = 1
  exited = false
  readonly bytes: Uint8Array
  /** Called before every copy out. */
  onCopyOut: (() => void) | undefined = undefined
  readonly badPages: Set<number> = new Set()
  readonly #world: World

  constructor(world: World, pages = 64) {
    this.#world = world
    this.bytes = new Uint8Array(pages * PAGE_BYTES)
    this.badPages.add(0)
  }

  pin(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    if (this.#world.failpoints.hit('pin_page') || this.exited || this.#bad(page)) throw EFAULT
    this.pins++
    return page + 1000
  }

  unpinPage(): void {
    this.pins--
  }

  get alive(): boolean {
    return !this.exited
  }

  readFrame(frame: number, at: number, into: Uint8Array, offset: number, length: number): void {
    const from = (frame - 1000) * PAGE_BYTES + at
    into.set(this.bytes.subarray(from, from + length), offset)
  }

  writeFrame(frame: number, at: number, from: Uint8Array, offset: number, length: number): void {
    this.bytes.set(from.subarray(offset, offset + length), (frame - 1000) * PAGE_BYTES + at)
  }

  pinCountAt(): number {
    return this.pins
  }

  frameForRead(page: number): number {
    return page
  }

  grab(): void {
    this.references++
  }

  drop(): void {
    this.references--
  }

  exit(): void {
    this.exited = true
  }

  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void {
    this.copied = 0
    const at = this.#check(hi, lo, length)
    this.copied = length
    into.set(this.bytes.subarray(at, at + length), offset)
  }

  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void {
    this.onCopyOut?.()
    this.copied = 0
    const at = this.#check(hi, lo, length)
    this.copied = length
    this.bytes.set(from.subarray(offset, offset + length), at)
  }

  #bad(page: number): boolean {
    return page >= this.bytes.length / PAGE_BYTES || this.badPages.has(page)
  }

  #check(hi: number, lo: number, length: number): number {
    const at = lo >>> 0
    for (let page = at >>> 12; page <= (at + length - 1) >>> 12; page++)
      if (hi !== 0 || this.#bad(page)) throw EFAULT
    return at
  }
}

export interface FakeMachineOptions {
  readonly world?: WorldOptions
  readonly policy?: Partial<FaultPolicy>
  /** A device each; default `dev0`, `dev1`. */
  readonly devices?: readonly Partial<DeviceOptions>[]
  readonly process?: Partial<ProcessOptions<FakeMm>>
  /** All devices in one group. */
  readonly oneGroup?: boolean
  readonly pages?: number
  readonly wakeLatencyNanos?: number
}

/** The kernel's core with a fake IOMMU below it, and one process above. */
export class FakeMachine {
  readonly world: World
  readonly iommu: FakeIommu
  readonly queue: IopfQueue
  readonly devices: readonly Device[]
  readonly mm: FakeMm
  readonly process: Process<FakeMm>
  readonly domains: Set<FakeDomain> = new Set()
  readonly wakeLatencyNanos: number
  readonly #fault: Fault = new Fault()

  constructor(options: FakeMachineOptions = {}) {
    this.world = createWorld(options.world)
    this.wakeLatencyNanos = options.wakeLatencyNanos ?? 0
    this.iommu = new FakeIommu(this)
    if (options.oneGroup === true) this.iommu.groupKey = this
    this.queue = new IopfQueue(this.world, { name: 'fake', policy: options.policy ?? {} })
    const core = new IommuCore(this.world)
    this.devices = (options.devices ?? [{}, {}]).map((own, index) => {
      const device = new Device({ name: `dev${index}`, rid: 0x100 + index, maxPasids: 64, ...own })
      core.probe(device, this.iommu)
      return device
    })
    this.mm = new FakeMm(this.world, options.pages)
    this.process = new Process({ mm: this.mm, ...options.process })
  }

  /** Opens /dev/iommu in the process, or in another. */
  open(process: Caller = this.process): Iommufd {
    const devices = { find: (name: string) => this.devices.find((device) => device.name === name) }
    return openIommufd(process, { world: this.world, devices, wakeLatencyNanos: this.wakeLatencyNanos })
  }

  /** Reports one page request of `dev0`, the last of its group by default. Returns what the core returned. */
  report(request: {
    grpid: number
    pasid?: number
    device?: number
    last?: boolean
    address?: number
  }): number {
    const fault = this.#fault
    fault.flags = (request.last ?? true) ? FAULT_LAST_PAGE : 0
    if (request.pasid !== undefined) fault.flags |= FAULT_PASID_VALID
    fault.pasid = request.pasid ?? 0
    fault.grpid = request.grpid
    fault.perm = 1
    fault.addrHi = 0
    fault.addrLo = request.address ?? 0x1000
    return reportDeviceFault(this.devices[request.device ?? 0]!, fault)
  }

  /** Everything that a closed context may not leave behind, by name. */
  leftovers(): Readonly<Record<string, number>> {
    const { mm, process, domains, devices } = this
    return {
      pins: mm.pins,
      pinnedVm: mm.pinnedVm,
      mmReferences: mm.references - 1,
      lockedPages: process.user.lockedPages,
      domains: domains.size,
      descriptors: process.files.descriptors.length,
      owned: devices.filter((device) => device.group!.ownerCount > 0).length,
      attached: devices.filter((device) => device.group!.pasidArray.size > 0).length,
    }
  }
}

/** What `leftovers` is when nothing is left. */
export const NOTHING_LEFT: Readonly<Record<string, number>> = {
  pins: 0,
  pinnedVm: 0,
  mmReferences: 0,
  lockedPages: 0,
  domains: 0,
  descriptors: 0,
  owned: 0,
  attached: 0,
}

/** The code of the Errno or IommufdError that the call throws; `ok` when it succeeds. */
export function codeOf(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof IommufdError) return error.code
    if (isErrno(error)) return (error satisfies Errno).code
    throw error
  }
}
