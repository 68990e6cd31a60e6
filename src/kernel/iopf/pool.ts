// SPDX-License-Identifier: MIT
import { broken } from '../../base/assert.ts'
import { Fault, FaultGroup, type FaultPool, GROUP_FREE } from '../iommu/fault.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const FREE = GROUP_FREE

/** Free faults and groups of one queue, linked through `next`; it grows to the largest number ever in use. */
export class IopfPool implements FaultPool {
  #faults: Fault | undefined = undefined
  #groups: FaultGroup | undefined = undefined
  /** In use now: 0 when nothing was forgotten. */
  faultsInUse = 0
  groupsInUse = 0

  takeFault(): Fault {
    this.faultsInUse++
    const fault = this.#faults
    if (fault === undefined) return new Fault()
    this.#faults = fault.next
    fault.next = undefined
    return fault
  }

  giveFault(fault: Fault): void {
    this.faultsInUse--
    fault.next = this.#faults
    this.#faults = fault
  }

  takeGroup(): FaultGroup {
    this.groupsInUse++
    const group = this.#groups
    if (group === undefined) return new FaultGroup()
    this.#groups = group.next
    group.next = undefined
    return group
  }

  giveGroup(group: FaultGroup): void {
    if (group.list !== undefined) broken(`a freed group is still on ${group.list.name}`)
    this.groupsInUse--
    group.state = FREE
    group.first = group.last
    group.last.next = undefined
    group.count = 0
    group.handle = undefined
    group.handler = undefined
    group.param = undefined
    group.cookie = 0
    group.next = this.#groups
    this.#groups = group
  }
}
