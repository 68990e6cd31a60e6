// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, ENODEV, EOPNOTSUPP, EOVERFLOW, isErrno } from '../../base/errno.ts'
import type { World } from '../../trace/world.ts'
import { attachDevicePasid, detachDevicePasid } from '../iommu/attach-pasid.ts'
import type { Device } from '../iommu/device.ts'
import { DOMAIN_SVA, type Domain } from '../iommu/domain.ts'
import type { IommuGroup } from '../iommu/group.ts'
import type { Mm } from '../mm/mm.ts'
import { SvaHandle } from './handle.ts'
import { SVA_HANDLER } from './handler.ts'
import { GlobalPasids } from './pasids.ts'

/** An SVA domain and the handles that use it. */
interface SharedDomain {
  readonly domain: Domain
  users: number
}

export interface SvaOptions {
  /** The architecture's word on an address space (Linux: address tagging excludes SVA). Default: all fit. */
  readonly compatible?: (mm: Mm) => boolean
}

/** Shared virtual addressing (`spec/01` §4.1). One a machine: an address space has one PASID for its lifetime. */
export class Sva {
  readonly world: World
  readonly pasids: GlobalPasids = new GlobalPasids()
  readonly #compatible: (mm: Mm) => boolean
  /** Domains of each address space that has a PASID. */
  readonly #domains = new Map<Mm, SharedDomain[]>()

  constructor(world: World, options: SvaOptions = {}) {
    this.world = world
    this.#compatible = options.compatible ?? ((): boolean => true)
  }

  /**
   * Linux's iommu_sva_bind_device. In this order: ENODEV without a group; EBUSY for an incompatible address space;
   * EOVERFLOW when its PASID is too large for the device; ENOSPC without a PASID; EBUSY when the PASID is taken by
   * something else; EOPNOTSUPP, the driver's and the core's errors.
   */
  bind(device: Device, mm: Mm): SvaHandle {
    const { group } = device
    if (group === undefined) throw ENODEV
    if (!this.#compatible(mm)) throw EBUSY
    const domains = this.#givePasid(device, mm)
    const present = presentHandle(group, mm)
    if (present !== undefined) {
      present.users++
      return present
    }
    const handle = new SvaHandle(device, mm)
    if (!attachToAny(domains, handle)) attachToNew(domains, handle)
    return handle
  }

  /** Linux's iommu_sva_unbind_device. The device's driver has stopped the PASID and drained its faults. */
  unbind(handle: SvaHandle): void {
    assert(handle.users > 0, `unbind of a handle of ${handle.device.name} that nobody holds`)
    if (--handle.users > 0) return
    const { device, mm } = handle
    const domains = this.#domains.get(mm)!
    const index = domains.findIndex(({ domain }) => domain === handle.domain)
    const shared = domains[index]!
    detachDevicePasid(shared.domain, device, mm.pasid)
    if (--shared.users > 0) return
    domains.splice(index, 1)
    freeDomain(shared.domain, mm)
  }

  /** Linux's iommu_sva_get_pasid. */
  getPasid(handle: SvaHandle): number {
    return handle.mm.pasid
  }

  /** The PASID goes back when the address space is freed, not at the last unbind. */
  #givePasid(device: Device, mm: Mm): SharedDomain[] {
    const present = this.#domains.get(mm)
    if (present !== undefined) {
      if (mm.pasid >= device.maxPasids) throw EOVERFLOW
      return present
    }
    const pasid = this.pasids.alloc(device.maxPasids)
    const domains: SharedDomain[] = []
    mm.pasid = pasid
    this.#domains.set(mm, domains)
    mm.whenFreed(() => {
      this.#domains.delete(mm)
      this.pasids.free(pasid)
    })
    return domains
  }
}

/** The handle that the group has for this address space. EBUSY when its PASID is something else's. */
function presentHandle(group: IommuGroup, mm: Mm): SvaHandle | undefined {
  const entry = group.pasidArray.get(mm.pasid)
  if (entry?.handle === undefined) return undefined
  if (entry.domain?.type !== DOMAIN_SVA) throw EBUSY
  const { handle } = entry
  if (!(handle instanceof SvaHandle) || handle.mm !== mm) throw EBUSY
  return handle
}

function attachToAny(domains: readonly SharedDomain[], handle: SvaHandle): boolean {
  for (const shared of domains) {
    if (!tryAttach(shared.domain, handle)) continue
    shared.users++
    return true
  }
  return false
}

function tryAttach(domain: Domain, handle: SvaHandle): boolean {
  try {
    attachDevicePasid(domain, handle.device, handle.mm.pasid, handle)
    return true
  } catch (error) {
    if (!isErrno(error)) throw error
    return false
  }
}

function attachToNew(domains: SharedDomain[], handle: SvaHandle): void {
  const { device, mm } = handle
  const driver = device.driver!
  if (driver.domainAllocSva === undefined) throw EOPNOTSUPP
  const domain = driver.domainAllocSva(device, mm, SVA_HANDLER)
  mm.grab()
  try {
    attachDevicePasid(domain, device, mm.pasid, handle)
  } catch (error) {
    freeDomain(domain, mm)
    throw error
  }
  domains.push({ domain, users: 1 })
}

/** The domain goes with its reference to the address space. */
function freeDomain(domain: Domain, mm: Mm): void {
  domain.free()
  mm.drop()
}
