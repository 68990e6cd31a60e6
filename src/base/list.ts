// SPDX-License-Identifier: MIT
import { broken } from './assert.ts'

/** A member of at most one `List` at a time; classes that live on lists carry these three fields. */
export interface ListNode<T extends ListNode<T>> {
  list: List<T> | undefined
  next: T | undefined
  previous: T | undefined
}

/** Intrusive doubly linked list: insertion and removal allocate nothing, and a node knows its one list. */
export class List<T extends ListNode<T>> {
  readonly name: string
  first: T | undefined = undefined
  last: T | undefined = undefined
  length = 0

  constructor(name: string) {
    this.name = name
  }

  pushLast(node: T): void {
    this.#claim(node)
    node.previous = this.last
    if (this.last === undefined) this.first = node
    else this.last.next = node
    this.last = node
  }

  pushFirst(node: T): void {
    this.#claim(node)
    node.next = this.first
    if (this.first === undefined) this.last = node
    else this.first.previous = node
    this.first = node
  }

  remove(node: T): void {
    if (node.list !== (this as unknown))
      broken(`node is on ${node.list?.name ?? 'no list'}, not on ${this.name}`)
    if (node.previous === undefined) this.first = node.next
    else node.previous.next = node.next
    if (node.next === undefined) this.last = node.previous
    else node.next.previous = node.previous
    node.list = node.next = node.previous = undefined
    this.length--
  }

  /** Removes and returns the oldest node. */
  shift(): T | undefined {
    const node = this.first
    if (node !== undefined) this.remove(node)
    return node
  }

  #claim(node: T): void {
    if (node.list !== undefined) broken(`node for ${this.name} is still on ${node.list.name}`)
    node.list = this
    this.length++
  }
}
