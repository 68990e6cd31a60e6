// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { List, type ListNode } from './list.ts'

class Item implements ListNode<Item> {
  list: List<Item> | undefined = undefined
  next: Item | undefined = undefined
  previous: Item | undefined = undefined
  readonly label: string
  constructor(label: string) {
    this.label = label
  }
}

function forwards(list: List<Item>): string {
  let text = ''
  for (let item = list.first; item !== undefined; item = item.next) text += item.label
  return text
}

function backwards(list: List<Item>): string {
  let text = ''
  for (let item = list.last; item !== undefined; item = item.previous) text += item.label
  return text
}

function listOf(labels: string): { list: List<Item>; items: Item[] } {
  const list = new List<Item>('test list')
  const items = labels.split('').map((label) => new Item(label))
  for (const item of items) list.pushLast(item)
  return { list, items }
}

describe('List', () => {
  it('keeps the order of insertion at both ends', () => {
    const { list } = listOf('abc')
    list.pushFirst(new Item('z'))
    expect([forwards(list), backwards(list), list.length]).toEqual(['zabc', 'cbaz', 4])
  })

  it.each([
    ['a', 'bc'],
    ['b', 'ac'],
    ['c', 'ab'],
  ])('unlinks %s and forgets it', (label, rest) => {
    const { list, items } = listOf('abc')
    const item = items.find((candidate) => candidate.label === label)!
    list.remove(item)
    expect([forwards(list), backwards(list), list.length]).toEqual([
      rest,
      rest.split('').toReversed().join(''),
      2,
    ])
    expect([item.list, item.next, item.previous]).toEqual([undefined, undefined, undefined])
  })

  it('shifts the oldest, and undefined when it is empty', () => {
    const { list, items } = listOf('ab')
    expect([list.shift(), list.shift(), list.shift()]).toEqual([items[0], items[1], undefined])
    expect(list.length).toBe(0)
  })

  it('asserts that a node is on one list at a time, naming the lists', () => {
    const { list, items } = listOf('a')
    const other = new List<Item>('other list')
    expect(() => other.pushLast(items[0]!)).toThrow('node for other list is still on test list')
    expect(() => other.remove(items[0]!)).toThrow('node is on test list, not on other list')
    expect(() => other.remove(new Item('x'))).toThrow('node is on no list, not on other list')
    expect(list.length).toBe(1)
  })
})
