// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { IoasChangeProcess } from '../../abi/index.ts'
import { UserAccount } from '../../files.ts'
import type { Process, ProcessOptions } from '../../process.ts'
import { IoasRig, PAGE, codeOf } from './ioas-rig.suite.ts'
import { ACCOUNT_MM } from './pages.ts'

interface Set {
  readonly rig: IoasRig
  readonly ioas: number
  readonly next: Process
}

/** Four pages of a file in a domain, two of them twice; and another process. */
function setUp(own: Omit<ProcessOptions, 'mm'>, other: Omit<ProcessOptions, 'mm'>, mm = false): Set {
  const rig = new IoasRig(own)
  if (mm) rig.context.accountMode = ACCOUNT_MM
  const ioas = rig.ioas()
  const fd = rig.memfd(8)
  rig.domain(ioas)
  rig.mapFile({ ioas, fd, bytes: 4n * PAGE, iova: 0x10000n })
  rig.copy({ ioas, at: 0x10000n, bytes: 2n * PAGE, iova: 0x20000n })
  rig.mapFile({ ioas: rig.ioas(), fd, bytes: 8n * PAGE })
  return { rig, ioas, next: rig.newProcess(other) }
}

function charges(...processes: readonly Process[]): number[] {
  return processes.flatMap(({ mm, user }) => [mm.pinnedVm, mm.lockedVm, user.lockedPages])
}

describe('CHANGE_PROCESS (spec/02 §3.8, observed on 7.2.13)', () => {
  test('EOPNOTSUPP for reserved, EINVAL for memory of a process or a dma-buf, 0 for nothing', () => {
    const rig = new IoasRig()
    const command = new IoasChangeProcess()
    command.__reserved = 1
    expect(codeOf(() => rig.run(command))).toBe('EOPNOTSUPP')
    expect(codeOf(() => rig.changeProcess())).toBe('ok')
    const ioas = rig.ioas()
    rig.mapFile({ ioas, fd: rig.memfd(1), iova: 0x10000n })
    expect(codeOf(() => rig.changeProcess())).toBe('ok')
    rig.map({ ioas, at: 0x1000n, iova: 0x20000n })
    expect(codeOf(() => rig.changeProcess())).toBe('EINVAL')
    rig.unmap(ioas, 0x20000n, PAGE)
    rig.mapFile({ ioas, fd: rig.dmaBuf(1).fd, iova: 0x20000n })
    expect(codeOf(() => rig.changeProcess())).toBe('EINVAL')
  })

  test('moves what is pinned, each page once; later unmaps relieve the new process', () => {
    const { rig, ioas, next } = setUp({}, {})
    rig.changeProcess(next)
    expect(charges(rig.process, next)).toEqual([0, 0, 0, 4, 0, 4])
    rig.changeProcess(next)
    expect(charges(rig.process, next)).toEqual([0, 0, 0, 4, 0, 4])
    rig.unmapAll(ioas)
    expect(charges(rig.process, next)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('in MM mode', () => {
    const { rig, next } = setUp({}, { memlockBytes: 4 * 4096 }, true)
    rig.changeProcess(next)
    expect(charges(rig.process, next)).toEqual([0, 0, 0, 4, 4, 0])
  })

  test('over the new limit: ENOMEM, nothing changes', () => {
    const { rig, next } = setUp({}, { memlockBytes: 3 * 4096 })
    expect(codeOf(() => rig.changeProcess(next))).toBe('ENOMEM')
    expect(charges(rig.process, next)).toEqual([4, 0, 4, 0, 0, 0])
  })

  test('the same user is charged for both for a moment', () => {
    const user = new UserAccount()
    const { rig, next } = setUp({ user }, { user, memlockBytes: 6 * 4096 })
    expect(codeOf(() => rig.changeProcess(next))).toBe('ENOMEM')
    next.memlockBytes = 8 * 4096
    rig.changeProcess(next)
    expect(charges(rig.process, next)).toEqual([0, 0, 4, 4, 0, 4])
  })

  test('the process that has it already: nothing, whatever its limit', () => {
    const { rig } = setUp({}, {})
    rig.process.memlockBytes = 0
    expect(codeOf(() => rig.changeProcess())).toBe('ok')
  })

  test('what nobody accounts for stays with the old process, and leaves the new one', () => {
    const { rig, ioas, next } = setUp({ capIpcLock: true }, {})
    rig.changeProcess(next)
    expect(charges(rig.process, next)).toEqual([4, 0, 0, 0, 0, 0])
    rig.unmapAll(ioas)
    expect(charges(rig.process, next)).toEqual([4, 0, 0, -4, 0, 0])
  })
})
