// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { Clock } from '../sim/clock.ts'
import { EVENTS } from './events.ts'
import { exportFtrace } from './export-ftrace.ts'
import { Recorder } from './recorder.ts'

describe('exportFtrace', () => {
  it('writes the header of the nop tracer and a line an event', () => {
    const clock = new Clock()
    const trace = new Recorder(clock)
    trace.registerDevice(0x100, 'dma0')
    clock.now = 12_345_678_999
    trace.emit(EVENTS.page_request, 1, 0x100, -1, 0, 0x5000, 3, 1)
    trace.emit(EVENTS.group_write, 1, 4, 0)
    const lines = [...exportFtrace(trace)].join('').split('\n')
    expect(lines.slice(0, 3)).toEqual([
      '# tracer: nop',
      '#',
      '# entries-in-buffer/entries-written: 2/2   #P:1',
    ])
    expect(lines.filter((line) => !line.startsWith('#'))).toEqual([
      '            dma0-256     [000] .....    12.345678: page_request: dev=dma0 pasid=none addr=0x0000000000005000 grpid=3 flags=r flow=1',
      '         iommufd-0       [000] .....    12.345678: group_write: cookie=4 code=0 flow=1',
      '',
    ])
  })

  it('comes in pieces', () => {
    const trace = new Recorder(new Clock())
    for (let i = 0; i < 3000; i++) trace.emit(EVENTS.group_write, 0, i, 0)
    const pieces = [...exportFtrace(trace)]
    expect(pieces.length).toBeGreaterThan(2)
    expect(
      pieces
        .join('')
        .trimEnd()
        .split('\n')
        .filter((line) => !line.startsWith('#')),
    ).toHaveLength(3000)
  })
})
