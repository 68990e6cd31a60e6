// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { EVENT_DEFINITIONS, EVENT_NAMES, EVENTS, isEventName, widthOf } from './events.ts'
import { ARGUMENTS_MAX } from './recorder.ts'

describe.each(EVENT_NAMES)('event %s', (name) => {
  const { args } = EVENT_DEFINITIONS[name]

  it('has a kernel-style name and a number of its own', () => {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(EVENT_NAMES[EVENTS[name]]).toBe(name)
  })

  it('fits into the six values of an event and uses no name of the file format', () => {
    const width = Object.values(args).reduce((sum, kind) => sum + widthOf(kind), 0)
    expect(width).toBeLessThanOrEqual(ARGUMENTS_MAX)
    for (const arg of Object.keys(args)) expect(['t', 'event', 'flow']).not.toContain(arg)
  })
})

describe('isEventName', () => {
  it('knows events and nothing inherited', () => {
    expect(isEventName('page_request')).toBe(true)
    for (const name of ['', 'Page_request', 'constructor', '__proto__', 'toString'])
      expect(isEventName(name)).toBe(false)
  })
})
