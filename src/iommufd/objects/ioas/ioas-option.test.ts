// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { Option } from '../../abi/index.ts'
import { ioasHugePages } from './ioas-option.ts'
import { IoasRig, PAGE, codeOf } from './ioas-rig.suite.ts'

const SET = 0
const GET = 1

let rig: IoasRig
let ioas: number

beforeEach(() => {
  rig = new IoasRig()
  ioas = rig.ioas()
})

function option(op: number, value = 0n, id = ioas): string {
  const command = new Option()
  command.op = op
  command.object_id = id
  command.val64_hi = Number(value >> 32n)
  command.val64_lo = Number(value & 0xffffffffn)
  return codeOf(() => {
    ioasHugePages(rig.context, command)
    if (op === GET) expect(command.val64_lo).toBe(rig.object(ioas).largePages ? 1 : 0)
  })
}

describe('OPTION HUGE_PAGES (spec/02 §3.7, §12; observed on 7.2.13)', () => {
  test.each([
    ['no such IOAS', 2, 0n, 99, 'ENOENT'],
    ['no such operation', 2, 0n, 1, 'EOPNOTSUPP'],
    ['2', SET, 2n, 1, 'EINVAL'],
    ['2^32', SET, 1n << 32n, 1, 'EINVAL'],
    ['2^32+1', SET, (1n << 32n) | 1n, 1, 'EINVAL'],
    ['on', SET, 1n, 1, 'ok'],
    ['get', GET, 9n, 1, 'ok'],
  ])('%s', (_row, op, value, id, expected) => {
    expect(option(op, value, id)).toBe(expected)
  })

  test('off: the alignment is a page at least; on: as before', () => {
    expect(option(SET, 0n)).toBe('ok')
    expect([rig.object(ioas).alignment, option(GET)]).toEqual([4096, 'ok'])
    expect(option(SET, 1n)).toBe('ok')
    expect(rig.object(ioas).alignment).toBe(1)
  })

  test('EADDRINUSE: an area is not whole pages', () => {
    rig.map({ ioas, at: 0x1801n, bytes: 3n, iova: 0x10005n })
    expect(option(SET, 0n)).toBe('EADDRINUSE')
    expect(rig.object(ioas).largePages).toBe(true)
  })

  test('EINVAL with domains and areas, whatever else; nothing happens when it is off', () => {
    rig.domain(ioas)
    expect(option(SET, 0n)).toBe('ok')
    rig.map({ ioas, at: rig.anonymous(1), bytes: PAGE, iova: 0x10000n })
    expect(option(SET, 0n)).toBe('ok')
    expect(option(SET, 1n)).toBe('ok')
    expect(option(SET, 0n)).toBe('EINVAL')
  })

  test('off: each page is mapped by itself', () => {
    option(SET, 0n)
    const fd = rig.dmaBuf(4).fd
    const domain = rig.domain(ioas)
    domain.failing = 4
    expect(codeOf(() => rig.mapFile({ ioas, fd, bytes: 4n * PAGE }))).toBe('domain')
    option(SET, 1n)
    domain.failing = 2
    expect(codeOf(() => rig.mapFile({ ioas, fd, bytes: 4n * PAGE }))).toBe('ok')
  })
})
