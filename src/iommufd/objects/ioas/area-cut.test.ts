// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { IoasRig, PAGE, READ, codeOf } from './ioas-rig.suite.ts'

let rig: IoasRig
let ioas: number
let memory: bigint

beforeEach(() => {
  rig = new IoasRig()
  ioas = rig.ioas()
  memory = rig.anonymous(8)
})

function mapEight(): void {
  rig.map({ ioas, at: memory, bytes: 8n * PAGE, iova: 0x100000n })
}

/** `lo`: the last byte of the lower part. */
function cut(lo: number): string {
  return codeOf(() => rig.object(ioas).cutArea(0, lo, rig.world.failpoints))
}

describe('cutting an area (spec/02 §10, §12; observed on 7.2.13)', () => {
  test('makes two, which are unmapped one by one', () => {
    mapEight()
    expect(cut(0x102fff)).toBe('ok')
    expect(rig.unmap(ioas, 0x100000n, 3n * PAGE)).toBe(3n * PAGE)
    expect(rig.unmap(ioas, 0x103000n, 5n * PAGE)).toBe(5n * PAGE)
  })

  test('does nothing at an end, and in a hole', () => {
    mapEight()
    expect([cut(0x107fff), cut(0xfffff), cut(0x50)]).toEqual(['ok', 'ok', 'ok'])
    expect(rig.object(ioas).areas.size).toBe(1)
  })

  test('changes nothing in the domains, and pins stay where they are', () => {
    rig.object(ioas).disableLargePages()
    const domain = rig.domain(ioas)
    mapEight()
    expect(cut(0x102fff)).toBe('ok')
    expect(rig.process.mm.pinnedVm).toBe(8)
    rig.unmap(ioas, 0x100000n, 3n * PAGE)
    expect(rig.process.mm.pinnedVm).toBe(5)
    expect(domain.physical(0x103000n)).toBe(rig.physicalOf(memory + 3n * PAGE))
    const copy = rig.copy({ ioas, at: 0x104000n, bytes: 2n * PAGE, iova: 0x200000n, flags: READ })
    expect(domain.physical(copy + 0x1234n)).toBe(rig.physicalOf(memory + 0x5234n))
    rig.unmapAll(ioas)
    expect([rig.frames.pinned, domain.granules.size]).toEqual([0, 0])
  })

  test('inside a page: both parts hold it', () => {
    mapEight()
    expect(cut(0x10000f)).toBe('ok')
    const access = rig.access(rig.ioas())
    rig.unmap(ioas, 0x100000n, 16n)
    expect(rig.unmap(ioas, 0x100010n, 8n * PAGE - 16n)).toBe(8n * PAGE - 16n)
    expect(access.ioas).toBeDefined()
  })

  test.each([
    ['not where the alignment allows', (): void => undefined, 0x1007ff, 'EINVAL'],
    ['in a domain with large pages', (): void => void rig.domain(ioas), 0x100fff, 'EINVAL'],
  ])('%s', (_what, prepare, lo, expected) => {
    mapEight()
    rig.access(ioas)
    prepare()
    expect(cut(lo)).toBe(expected)
    expect(rig.object(ioas).areas.size).toBe(1)
  })

  test('not while it is pinned; an attached access alone is nothing; EBUSY while an unmap waits', () => {
    mapEight()
    const access = rig.access(ioas)
    expect(cut(0x100fff)).toBe('ok')
    access.pinPages(0, 0x104000, 0, 4096, 0, new Int32Array(1))
    expect(cut(0x101fff)).toBe('EINVAL')
    expect(codeOf(() => rig.unmapAll(ioas))).toBe('EDEADLK')
    access.unpinPages(0, 0x104000, 0, 4096)
    expect(cut(0x102fff)).toBe('EBUSY')
  })

  test("not a dma-buf's, wherever", () => {
    rig.access(ioas)
    rig.mapFile({ ioas, fd: rig.dmaBuf(4).fd, bytes: 4n * PAGE, iova: 0x100000n })
    expect([cut(0x100fff), cut(0x1007ff)]).toEqual(['EOPNOTSUPP', 'EOPNOTSUPP'])
  })
})
