// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { withPages } from './calls/status.ts'
import { mappingsIn } from './mappings.ts'
import { deviceNode, IOMMU_NODE, NodeTree, VFIO_NODE } from './node-tree.ts'
import { NO_FRAME, type PageHolder, PinnedPages } from './pinned-pages.ts'
import { reservedRange } from './reserved-range.ts'
import { lookedAt, writeStat, writeStatx } from './stat-structs.ts'

describe('the range of descriptors for queues', () => {
  it.each([
    [1048576, { first: 960, end: 1024 }],
    [1024, { first: 960, end: 1024 }],
    [256, { first: 192, end: 256 }],
    [10, { first: 0, end: 64 }],
  ])('below a limit of %i is %j', (limit, range) => {
    expect(reservedRange(limit)).toEqual(range)
  })
})

describe('/proc/PID/maps', () => {
  it('is read line by line', () => {
    const text =
      '55d0c0000000-55d0c0001000 r--p 00000000 fe:01 131 /usr/bin/true\n' +
      '7f0000000000-7f0000002000 rw-s 00003000 00:01 4711 /memfd:x (deleted)\n'
    expect([...mappingsIn(text)]).toMatchObject([
      { readable: true, writable: false, shared: false, device: 0xfe01, inode: 131 },
      {
        start: 0x7f0000000000,
        end: 0x7f0000002000,
        writable: true,
        shared: true,
        offset: 0x3000,
        device: 1,
        inode: 4711,
      },
    ])
  })
})

describe('/proc/PID/status', () => {
  it('gets the pages that are pinned and locked on top of its own', () => {
    const text = 'VmSize:\t    4 kB\nVmLck:\t       8 kB\nVmPin:\t       0 kB\nVmHWM:\t 9 kB\n'
    expect(withPages(text, 3, 1)).toBe(
      'VmSize:\t    4 kB\nVmLck:\t      12 kB\nVmPin:\t      12 kB\nVmHWM:\t 9 kB\n',
    )
  })
})

describe('device files', () => {
  it('have folders where the host may have none', () => {
    const tree = new NodeTree([IOMMU_NODE, VFIO_NODE, deviceNode('/dev/vfio/devices/vfio0', 0)])
    expect([...tree.folders.values()]).toEqual([
      { path: '/dev/vfio', names: ['vfio', 'devices'] },
      { path: '/dev/vfio/devices', names: ['vfio0'] },
    ])
    expect(tree.names.has('iommu')).toBe(true)
  })

  it('look like character devices', () => {
    const view = new DataView(new ArrayBuffer(512))
    const looked = lookedAt(deviceNode('/dev/vfio/devices/vfio3', 3))
    expect(writeStat(view, 0, looked)).toBe(144)
    expect([view.getUint32(24, true), view.getUint32(40, true)]).toEqual([0o020666, 0x1ff03])
    expect(writeStatx(view, 0, looked)).toBe(256)
    expect([view.getUint16(28, true), view.getUint32(128, true), view.getUint32(132, true)]).toEqual([
      0o020666, 511, 3,
    ])
  })
})

describe('pinned pages', () => {
  class Holder implements PageHolder {
    readonly forgotten: number[] = []
    readonly bytes: Map<number, number> = new Map()

    readPage(page: number, _offset: number, into: Uint8Array, at: number, _length: number): boolean {
      into[at] = this.bytes.get(page) ?? 0
      return this.bytes.has(page)
    }

    writePage(page: number, _offset: number, from: Uint8Array, at: number, _length: number): boolean {
      this.bytes.set(page, from[at]!)
      return true
    }

    forget(page: number): void {
      this.forgotten.push(page)
    }
  }

  it('are memory for devices until the last pin is gone', () => {
    const memory = new PhysicalMemory({ bytes: 4096 })
    const pages = new PinnedPages(memory)
    const holder = new Holder()
    const frame = pages.add(holder, 7, false)
    pages.pinAgain(frame)
    expect(memory.write(frame, 0, Uint8Array.of(9), 0, 1)).toBe(true)
    expect(holder.bytes.get(7)).toBe(9)
    pages.unpin(frame)
    expect([pages.pinsOf(frame), holder.forgotten]).toEqual([1, []])
    pages.unpin(frame)
    expect([pages.size, holder.forgotten]).toEqual([0, [7]])
    expect(memory.read(frame, 0, new Uint8Array(1), 0, 1)).toBe(false)
    expect(memory.exists(NO_FRAME)).toBe(false)
  })

  it('of a huge page are in a row, at its start when it is pinned anew', () => {
    const pages = new PinnedPages(new PhysicalMemory({ bytes: 4096 }))
    const holder = new Holder()
    const frames = [1024, 1025, 1535].map((page) => pages.add(holder, page, true))
    expect(frames.map((frame) => frame - frames[0]!)).toEqual([0, 1, 511])
    expect(frames[0]! % 512).toBe(0)
    for (const frame of frames) pages.unpin(frame)
    expect(pages.add(holder, 4096, true)).toBe(frames[0])
  })
})
