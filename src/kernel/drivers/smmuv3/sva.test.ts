// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EINVAL } from '../../../base/errno.ts'
import { LPAE_STAGE1 } from '../../../hardware/page-tables/formats/lpae.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { Mm } from '../../mm/mm.ts'
import { PROT_READ, PROT_WRITE } from '../../mm/prot.ts'
import { Sva } from '../../sva/sva.ts'
import { Rig, type RigOptions } from './rig.suite.ts'

function bench(options: RigOptions = {}) {
  const rig = new Rig(options)
  const sva = new Sva(rig.world)
  const { memory, frames } = rig
  const mm = new Mm({ memory, frames, failpoints: rig.world.failpoints, format: LPAE_STAGE1 })
  const area = mm.mmap({ lengthBytes: 8 * 4096, prot: PROT_READ | PROT_WRITE })
  const handle = sva.bind(rig.device, mm)
  return { rig, sva, mm, handle, pasid: sva.getPasid(handle), area }
}

describe('SVA with stalls (spec/01 §4)', () => {
  test('a device reads and writes the memory of a process, which was not there before', () => {
    const { rig, mm, pasid, area } = bench()
    const written = Uint8Array.from({ length: 10000 }, (_, i) => i & 255)
    mm.write(area, written.subarray(0, 4096))
    const device = new Uint8Array(4096)
    const read = rig.submit({ op: 'read', pasid, source: area, lengthBytes: 4096, buffer: device })
    const options = { pasid, destination: area + 8192n, lengthBytes: written.length, buffer: written }
    const write = rig.submit({ op: 'write', ...options })
    rig.run()
    expect([read.status, write.status, write.faultsTaken]).toEqual(['done', 'done', 3])
    expect(device).toEqual(written.subarray(0, 4096))
    const back = new Uint8Array(written.length)
    mm.read(area + 8192n, back)
    expect(back).toEqual(written)
  })

  test('unmapping, a fork and a discard are seen by the device', () => {
    const { rig, mm, pasid, area } = bench()
    const fill = (value: number): string => {
      const transfer = rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1, value })
      rig.run()
      return transfer.status
    }
    expect(fill(1)).toBe('done')
    const child = mm.fork()
    expect(fill(2)).toBe('done')
    const seen = new Uint8Array(1)
    child.read(area, seen)
    expect(seen[0]).toBe(1)
    mm.read(area, seen)
    expect(seen[0]).toBe(2)
    mm.discard(area, 4096)
    const device = Uint8Array.of(9)
    rig.submit({ op: 'read', pasid, source: area, lengthBytes: 1, buffer: device })
    rig.run()
    expect(device[0]).toBe(0)
    mm.munmap(area, 4096)
    expect(fill(3)).toBe('invalid')
  })

  test('after exit accesses abort, and nobody hears of them; so does a device that binds late (spec/01 §4.3)', () => {
    const { rig, sva, mm, handle, pasid, area } = bench()
    rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 })
    rig.run()
    mm.exit()
    const late = rig.fill(area, pasid)
    rig.run()
    expect(late.status).toBe('unrecoverable')
    rig.plug(1)
    const afterwards = sva.bind(rig.devices[1]!, mm)
    const dead = rig.fill(area, pasid, rig.engines[1])
    rig.run()
    expect([dead.status, rig.driver.events.count, rig.unit.faults.recorded]).toEqual(['unrecoverable', 0, 0])
    sva.unbind(afterwards)
    sva.unbind(handle)
    expect([sva.pasids.inUse, rig.driver.domains.count]).toEqual([0, 0])
  })

  test('unbind drains: work that was queued runs before it returns', () => {
    const { rig, sva, handle, pasid, area } = bench({ driver: { workLatencyNanos: 1_000_000 } })
    const fill = rig.fill(area, pasid)
    while (rig.driver.queue.workQueue.length === 0) rig.world.scheduler.step()
    sva.unbind(handle)
    expect([rig.driver.queue.workQueue.length, rig.device.faultParam]).toEqual([0, undefined])
    rig.run()
    expect([rig.engine.outstandingRequests, fill.status]).toEqual([0, 'unrecoverable'])
  })

  test('a process whose tables the unit cannot walk is EINVAL', () => {
    const rig = new Rig()
    const { memory, frames } = rig
    const mm = new Mm({ memory, frames, failpoints: rig.world.failpoints })
    expect(thrownBy(() => new Sva(rig.world).bind(rig.device, mm))).toBe(EINVAL)
  })
})
