// SPDX-License-Identifier: MIT
import { broken } from '../../../base/assert.ts'
import { List } from '../../../base/list.ts'
import type { FaultGroup } from '../../../kernel/iommu/fault.ts'

/**
 * Groups that wait to be read. A list with code of its own: what `List` does is slow where many kinds of nodes pass
 * through it, and every fault passes here.
 */
export class DeliverQueue extends List<FaultGroup> {
  constructor() {
    super('deliver')
  }

  override pushLast(group: FaultGroup): void {
    if (group.list !== undefined) broken(`a group to deliver is still on ${group.list.name}`)
    const { last } = this
    group.list = this
    group.previous = last
    if (last === undefined) this.first = group
    else last.next = group
    this.last = group
    this.length++
  }

  override remove(group: FaultGroup): void {
    if (group.list !== this) broken('a group is not on the list of groups to deliver')
    const { next, previous } = group
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    group.list = group.next = group.previous = undefined
    this.length--
  }
}
