// SPDX-License-Identifier: MIT
import { type Errno, isErrno } from '../../base/errno.ts'
import { createWorld, type World, type WorldOptions } from '../../trace/world.ts'
import type { Mm } from '../mm/mm.ts'
import { Device, type DeviceOptions } from './device.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, DOMAIN_SVA, DOMAIN_UNMANAGED, Domain } from './domain.ts'
import type { IommuDevice, IommuDriver, PagingOptions } from './driver.ts'
import type { Fault, FaultHandler, ResponseCode } from './fault.ts'
import { IommuCore } from './probe.ts'

/** One answer as the driver got it: the last request's fields and the code. */
export interface Answer {
  readonly rid: number
  readonly pasid: number
  readonly grpid: number
  readonly addr: number
  readonly code: ResponseCode
}

/** The core's partner in tests: writes down what it is told, and refuses what it was told to refuse. */
export class FakeDriver implements IommuDriver {
  readonly name = 'fake'
  maxPasids: number = 1 << 20
  userPasidTable = false
  blockedDomain: Domain | undefined = new Domain({ type: DOMAIN_BLOCKED, owner: this })
  identityDomain: Domain | undefined = new Domain({ type: DOMAIN_IDENTITY, owner: this })
  startDomain: Domain | undefined = undefined
  groupKey: object | undefined = undefined
  /** `attach fake0 blocked`, `pasid fake0 7 paging` and so on, in order. */
  readonly calls: string[] = []
  readonly answers: Answer[] = []
  /** Calls that fail, once each. */
  readonly refusals: Map<string, Errno> = new Map<string, Errno>()
  readonly names: Map<Domain, string> = new Map<Domain, string>()
  onAnswer: ((answer: Answer) => void) | undefined = undefined

  constructor() {
    this.names.set(this.blockedDomain!, 'blocked')
    this.names.set(this.identityDomain!, 'identity')
  }

  probeDevice(device: IommuDevice): void {
    this.#call(`probe ${device.name}`)
  }

  releaseDevice(device: IommuDevice): void {
    this.#call(`release ${device.name}`)
  }

  deviceGroup(): object | undefined {
    return this.groupKey
  }

  defaultDomain(): Domain {
    return this.startDomain ?? this.identityDomain!
  }

  domainAllocPaging(_device: IommuDevice | undefined, options: PagingOptions): Domain {
    this.#call('alloc paging')
    return this.domain('empty', options.type ?? DOMAIN_UNMANAGED, options.iopfHandler)
  }

  domainAllocSva: IommuDriver['domainAllocSva'] = (
    _device: IommuDevice,
    _mm: Mm,
    handler: FaultHandler,
  ): Domain => {
    this.#call('alloc sva')
    return this.domain(`sva${this.names.size}`, DOMAIN_SVA, handler)
  }

  attachDevice(domain: Domain, device: IommuDevice): void {
    this.#call(`attach ${device.name} ${this.names.get(domain) ?? '?'}`)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number, old: Domain | undefined): void {
    const from = old === undefined ? '' : ` from ${this.names.get(old) ?? '?'}`
    this.#call(`pasid ${device.name} ${pasid} ${this.names.get(domain) ?? '?'}${from}`)
  }

  pageResponse: IommuDriver['pageResponse'] = (
    device: IommuDevice,
    request: Fault,
    code: ResponseCode,
  ): void => {
    const { pasid, grpid, addrLo } = request
    const answer = { rid: device.rid, pasid, grpid, addr: addrLo, code }
    this.answers.push(answer)
    this.onAnswer?.(answer)
  }

  capable(): boolean {
    return true
  }

  /** A domain of this driver, under a name for `calls`. */
  domain(name: string, type: number = DOMAIN_UNMANAGED, iopfHandler?: FaultHandler): Domain {
    const domain = new Domain({ type, owner: this, iopfHandler })
    this.names.set(domain, name)
    return domain
  }

  /** Forgets the calls so far. */
  takeCalls(): string[] {
    return this.calls.splice(0)
  }

  #call(text: string): void {
    this.calls.push(text)
    const refusal = this.refusals.get(text)
    if (refusal === undefined) return
    this.refusals.delete(text)
    throw refusal
  }
}

export interface FakeMachine {
  readonly world: World
  readonly driver: FakeDriver
  readonly core: IommuCore
  readonly devices: readonly Device[]
}

/** A probed device for each entry of `pasids` (its number of PASIDs), in one group each unless `oneGroup`. */
export function fakeMachine(
  pasids: readonly number[] = [32],
  options: { oneGroup?: boolean; device?: Partial<DeviceOptions>; world?: WorldOptions } = {},
): FakeMachine {
  const world = createWorld(options.world)
  const driver = new FakeDriver()
  if (options.oneGroup === true) driver.groupKey = driver
  const core = new IommuCore(world)
  const devices = pasids.map((maxPasids, index) => {
    const device = new Device({ name: `fake${index}`, rid: 0x100 + index, maxPasids, ...options.device })
    core.probe(device, driver)
    return device
  })
  driver.takeCalls()
  return { world, driver, core, devices }
}

/** The Errno that the call throws; `undefined` when it succeeds. */
export function thrownBy(run: () => void): Errno | undefined {
  try {
    run()
  } catch (error) {
    if (isErrno(error)) return error
    throw error
  }
  return undefined
}
