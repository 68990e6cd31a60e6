// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, isErrno } from '../../base/errno.ts'
import { sweepFailures } from '../../sim/failpoint.ts'
import * as abi from '../abi/index.ts'
import { EVENT_TYPE, MockRig, outcomeOf, QUEUE_TYPE } from './mock-rig.suite.ts'
import { IommufdObject, OBJECT_SELFTEST, ObjectTable } from './object-table.ts'

const IOVA = 0x1000_0000n

/** A step whose expected failure is passed over. */
function attempt<T>(step: () => T): T | undefined {
  try {
    return step()
  } catch (thrown) {
    if (!isErrno(thrown) && !(thrown instanceof Error && / refused: E[A-Z0-9]+$/.test(thrown.message)))
      throw thrown
    return undefined
  }
}

/** One object of each type, most of them in use; steps that fail are passed over. Returns the ids. */
function makeEverything(rig: MockRig): number[] {
  const ids: number[] = []
  const made = (make: () => number): number => {
    const id = attempt(make) ?? 0
    ids.push(id)
    return id
  }
  const ioas = made(() => rig.ioas())
  attempt(() => rig.map(ioas, IOVA, rig.memory(2), 8192))
  let [stdev, device] = [0, 0]
  made(() => {
    const mock = rig.mockDomain(ioas, 4)
    ;[stdev, device] = [mock.stdev, mock.device]
    return mock.hwpt
  })
  ids.push(stdev, device)
  const fault_id = made(() => rig.made(abi.IOMMU_FAULT_QUEUE_ALLOC, abi.FaultAlloc, {}, 'out_fault_id'))
  const parent = made(() => rig.makeHwpt({ dev_id: device, pt_id: ioas, flags: 1 }))
  made(() => rig.makeHwpt({ ...rig.nestedFields(device, parent), flags: 4, fault_id }))
  const viommu = made(() => rig.makeViommu(device, parent))
  const virtual = { viommu_id: viommu, dev_id: device, virt_id: 7 }
  made(() => rig.made(abi.IOMMU_VDEVICE_ALLOC, abi.VdeviceAlloc, virtual, 'out_vdevice_id'))
  const nested = made(() => rig.makeHwpt({ ...rig.nestedFields(device, viommu), flags: 4, fault_id }))
  const events = { viommu_id: viommu, type: EVENT_TYPE, veventq_depth: 1 }
  made(() => rig.made(abi.IOMMU_VEVENTQ_ALLOC, abi.VeventqAlloc, events, 'out_veventq_id'))
  const queue = { viommu_id: viommu, type: QUEUE_TYPE, nesting_parent_iova: IOVA, length: 4096 }
  made(() => rig.made(abi.IOMMU_HW_QUEUE_ALLOC, abi.HwQueueAlloc, queue, 'out_hw_queue_id'))
  attempt(() => rig.replace(stdev, nested))
  const fields = { op: abi.IOMMU_TEST_OP_TRIGGER_IOPF, dev_id: device, grpid: 1 }
  for (let i = 0; i < 2; i++) attempt(() => rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdTriggerIopf, fields))
  const event = { op: abi.IOMMU_TEST_OP_TRIGGER_VEVENT, dev_id: device }
  for (let i = 0; i < 2; i++) attempt(() => rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdTriggerVevent, event))
  return ids
}

describe('the end of a context (`spec/02` §1.2)', () => {
  test('takes everything in whatever state it is', () => {
    const rig = new MockRig()
    expect(makeEverything(rig).includes(0)).toBe(false)
    expect(rig.leftovers()).toBe(0)
  })

  test('comes when the last descriptor of its queues is closed', () => {
    const rig = new MockRig()
    makeEverything(rig)
    for (const fd of rig.process.files.descriptors) rig.process.close(fd)
    expect(rig.leftovers()).toBe(0)
  })

  test('finds objects that are destroyed one by one, in any order, too', () => {
    for (const step of [1, 3, 5, 7, 11]) {
      const rig = new MockRig()
      const ids = makeEverything(rig)
      for (let i = 0; i < 40; i++) rig.destroy(ids[(i * step) % ids.length]!)
      expect(rig.leftovers()).toBe(0)
    }
  })

  test('finds nothing left of what failed halfway', async () => {
    const runs = await sweepFailures((failpoints) => {
      const rig = attempt(() => new MockRig({ failpoints }))
      if (rig === undefined) return
      makeEverything(rig)
      expect(rig.leftovers()).toBe(0)
    })
    expect(runs).toBeGreaterThan(40)
  })
})

class Thing extends IommufdObject {
  gone = false

  constructor() {
    super(OBJECT_SELFTEST)
  }

  destroy(): void {
    this.gone = true
  }
}

describe('the table of objects', () => {
  test('refuses one more than there are ids, and undoes it', () => {
    const table = new ObjectTable(2)
    const things = [new Thing(), new Thing(), new Thing()]
    for (const thing of things.slice(0, 2)) table.finalize(table.draft(thing))
    expect(outcomeOf(() => table.draft(things[2]!).id)).toBe(EBUSY.code)
    expect(things.map(({ gone }) => gone)).toEqual([false, false, true])
    table.destroyId(1)
    expect(table.draft(new Thing()).id).toBe(1)
  })

  test('shows no draft, and gives its id back', () => {
    const table = new ObjectTable()
    const thing = table.draft(new Thing())
    expect(outcomeOf(() => table.get(1).id)).toBe('ENOENT')
    expect(outcomeOf(() => (table.destroyId(1), 0))).toBe('ENOENT')
    expect([table.size, table.empty]).toEqual([0, false])
    table.abort(thing)
    expect([thing.gone, table.empty]).toEqual([true, true])
  })

  test('never gives a buried id out again', () => {
    const table = new ObjectTable()
    const thing = table.draft(new Thing())
    table.finalize(thing)
    table.bury(thing)
    expect(thing.gone).toBe(true)
    expect(outcomeOf(() => (table.destroyId(1), 0))).toBe('ENOENT')
    expect(table.draft(new Thing()).id).toBe(2)
  })

  test.each([0, -1, 2 ** 31, 0.5, Number.NaN])('has nothing at %d', (id) => {
    const table = new ObjectTable()
    table.finalize(table.draft(new Thing()))
    expect(table.find(id)).toBe(undefined)
  })
})
