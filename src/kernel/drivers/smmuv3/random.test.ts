// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { isErrno } from '../../../base/errno.ts'
import { Rng } from '../../../sim/rng.ts'
import { seededDecisions } from '../../../sim/decisions.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachDevicePasid, detachDevicePasid, replaceDevicePasid } from '../../iommu/attach-pasid.ts'
import type { Device } from '../../iommu/device.ts'
import type { Domain } from '../../iommu/domain.ts'
import type { FaultGroup } from '../../iommu/fault.ts'
import { KeepingHandler } from '../../iopf/fake-handler.suite.ts'
import { Rig } from './rig.suite.ts'

const PASIDS = [1, 2, 3]
const STEPS = 400

/** Drives two engines, a unit with tiny queues and its driver through everything that may happen at once. */
class Storm {
  readonly rig: Rig
  readonly #rng: Rng
  readonly #handler = new KeepingHandler()
  /** Domain of each attached (device, PASID). */
  readonly #attached = new Map<string, { device: Device; pasid: number; domain: Domain }>()
  readonly #domains: Domain[] = []
  readonly #frame: number

  constructor(seed: number) {
    this.#rng = new Rng(seed)
    const policy =
      seed % 3 === 0 ? ({ timeoutNanos: 20_000, timeoutCode: 1, quotaFaults: 6, quotaCode: 1 } as const) : {}
    this.rig = new Rig({
      engines: 2,
      unit: { stallMax: 1 + (seed % 7), rangeInvalidation: seed % 2 === 0 },
      driver: { queues: { events: seed % 4, commands: 5 }, policy },
      engine: { ats: seed % 5 === 0 ? { invalidateQueueDepth: 32 } : undefined, transfersInFlightMax: 6 },
    })
    this.#frame = this.rig.frames.allocZeroed()
    const { world } = this.rig
    world.failpoints.decide(seededDecisions(seed, { failureChance: 0.005 }))
    for (let i = 0; i < 2; i++) this.#attempt(() => void this.#domains.push(this.#newDomain()))
    for (let i = 0; i < 8; i++) this.#attempt(() => this.#attach())
  }

  step(): void {
    const actions = [
      (): void => this.#submit(),
      (): void => this.#submit(),
      (): void => this.#advance(),
      (): void => this.#advance(),
      (): void => this.#answer(),
      (): void => this.#answer(),
      (): void => this.#attach(),
      (): void => this.#detach(),
      (): void => this.#replace(),
      (): void => this.#unmap(),
      (): void => this.#removeAndProbe(),
    ]
    this.#attempt(actions[this.#rng.below(actions.length)]!)
  }

  /** No more work, no more failures; everything that is held is answered. */
  finish(): void {
    const { rig } = this
    rig.world.failpoints.off()
    for (const key of this.#attached.keys()) this.#detachKey(key)
    for (const engine of rig.engines) engine.stop()
    rig.run()
    while (this.#handler.groups.length > 0) this.#handler.answer(1)
    rig.run()
    const left = rig.engines.map((engine) => engine.outstandingRequests)
    expect([left, rig.unit.stalls.waiting]).toEqual([rig.engines.map(() => 0), 0])
    for (const device of rig.devices) rig.core.release(device)
    for (const domain of this.#domains) domain.free()
    const { pool } = rig.driver.queue
    expect([pool.faultsInUse, pool.groupsInUse, rig.driver.commands.unfinishedWaits]).toEqual([0, 0, 0])
    rig.driver.stop()
    rig.frames.put(this.#frame)
    expect([rig.frames.inUse, rig.world.clock.armedCount]).toEqual([rig.framesBefore, 0])
  }

  #attempt(action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!isErrno(error)) throw error
    }
  }

  #newDomain(): Domain {
    return this.rig.paging(this.#handler)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#rng.below(list.length)]!
  }

  #submit(): void {
    const destination = BigInt(this.#rng.below(16)) * 4096n
    const lengthBytes = 1 + this.#rng.below(5) * 4096
    const options = { pasid: this.#pick(PASIDS), destination, lengthBytes }
    this.rig.submit({ op: 'fill', ...options }, this.#pick(this.rig.engines))
  }

  #advance(): void {
    for (let count = this.#rng.below(12); count > 0; count--) this.rig.world.scheduler.step()
  }

  #answer(): void {
    const { groups } = this.#handler
    if (groups.length === 0) return
    const index = this.#rng.below(groups.length)
    const group = groups[index]!
    const draw = this.#rng.below(40)
    if (draw > 5) this.#repair(group)
    this.#handler.answer(draw > 5 ? 0 : draw === 0 ? 2 : 1, groups.indexOf(group))
  }

  /** Maps what the group asks for. */
  #repair(group: FaultGroup): void {
    const handle = group.handle
    if (!(handle instanceof AttachHandle)) return
    for (let fault = group.first; ; fault = fault.next!) {
      const { addrHi, addrLo } = fault
      this.#attempt(() => handle.domain!.map(addrHi, addrLo & ~0xfff, this.#frame, 1, 3))
      if (fault === group.last) return
    }
  }

  #attach(): void {
    const device = this.#pick(this.rig.devices)
    const pasid = this.#pick(PASIDS)
    if (this.#domains.length === 0) return
    const domain = this.#pick(this.#domains)
    attachDevicePasid(domain, device, pasid, new AttachHandle())
    this.#attached.set(`${device.name} ${pasid}`, { device, pasid, domain })
  }

  #replace(): void {
    if (this.#attached.size === 0 || this.#domains.length === 0) return
    const key = this.#pick([...this.#attached.keys()])
    const { device, pasid } = this.#attached.get(key)!
    const domain = this.#pick(this.#domains)
    replaceDevicePasid(domain, device, pasid, new AttachHandle())
    this.#attached.set(key, { device, pasid, domain })
  }

  #detach(): void {
    if (this.#attached.size > 0) this.#detachKey(this.#pick([...this.#attached.keys()]))
  }

  #detachKey(key: string): void {
    const { device, pasid, domain } = this.#attached.get(key)!
    this.#attached.delete(key)
    detachDevicePasid(domain, device, pasid)
  }

  #unmap(): void {
    if (this.#domains.length > 0)
      this.#pick(this.#domains).unmap(0, this.#rng.below(16) << 12, 1 + this.#rng.below(8))
  }

  /** As iommufd does: everything is detached and answered before the device goes; then it comes back. */
  #removeAndProbe(): void {
    const device = this.#pick(this.rig.devices)
    if (this.#rng.below(3) > 0 || device.driver === undefined) return
    for (const [key, value] of this.#attached) if (value.device === device) this.#detachKey(key)
    const { groups } = this.#handler
    for (const group of groups.filter((held) => held.param!.source === device)) {
      this.#handler.answer(1, groups.indexOf(group))
    }
    this.rig.core.release(device)
    this.rig.world.failpoints.enabled = false
    this.rig.core.probe(device, this.rig.driver)
    this.rig.world.failpoints.enabled = true
  }
}

describe('two engines that stall, tiny queues, failures, detach, replace and removal in flight', () => {
  for (let first = 0; first < 200; first += 50) {
    test(`every transaction ends and nothing is left behind: seeds ${first} to ${first + 49}`, () => {
      for (let seed = first; seed < first + 50; seed++) {
        const storm = new Storm(seed)
        try {
          for (let step = 0; step < STEPS; step++) storm.step()
          storm.finish()
        } catch (cause) {
          throw new Error(`seed ${seed}`, { cause })
        }
      }
    })
  }
})
