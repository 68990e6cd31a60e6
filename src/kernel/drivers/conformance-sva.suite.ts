// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ENODEV } from '../../base/errno.ts'
import { thrownBy } from '../iommu/fake-driver.suite.ts'
import { Mm } from '../mm/mm.ts'
import { PROT_READ, PROT_WRITE } from '../mm/prot.ts'
import type { SvaHandle } from '../sva/handle.ts'
import { Sva } from '../sva/sva.ts'
import type { Model, ModelOptions } from './model.suite.ts'
import type { Rig } from './rig.suite.ts'

interface Bench {
  readonly rig: Rig
  readonly sva: Sva
  readonly mm: Mm
  readonly handle: SvaHandle
  readonly pasid: number
  /** An area of 8 pages. */
  readonly area: bigint
}

function bench(model: Model, options: ModelOptions = {}): Bench {
  const rig = model.create(options)
  const sva = new Sva(rig.world)
  const mm = new Mm({ memory: rig.memory, frames: rig.frames, failpoints: rig.world.failpoints })
  const area = mm.mmap({ lengthBytes: 8 * 4096, prot: PROT_READ | PROT_WRITE })
  const handle = sva.bind(rig.device, mm)
  return { rig, sva, mm, handle, pasid: sva.getPasid(handle), area }
}

/** Shared virtual addressing with any driver. */
export function svaConformance(model: Model): void {
  describe(`SVA on ${model.name} (spec/01 §4)`, () => {
    sharing(model)
    ending(model)
  })
}

function sharing(model: Model): void {
  describe('memory of a process', () => {
    test('a device reads and writes the memory of a process, which was not there before', () => {
      const { rig, mm, pasid, area } = bench(model)
      const written = Uint8Array.from({ length: 10000 }, (_, i) => i & 255)
      mm.write(area, written.subarray(0, 4096))
      const device = new Uint8Array(4096)
      const read = rig.submit({ op: 'read', pasid, source: area, lengthBytes: 4096, buffer: device })
      const options = { pasid, destination: area + 8192n, lengthBytes: written.length, buffer: written }
      const write = rig.submit({ op: 'write', ...options })
      rig.run()
      expect([read.status, write.status]).toEqual(['done', 'done'])
      expect(device).toEqual(written.subarray(0, 4096))
      const back = new Uint8Array(written.length)
      mm.read(area + 8192n, back)
      expect(back).toEqual(written)
      expect(write.faultsTaken).toBe(3)
    })

    test('unmapping, a fork and a discard are seen by the device: nothing stale is left in any cache', () => {
      const { rig, mm, pasid, area } = bench(model)
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
  })
}

function ending(model: Model): void {
  describe('exit, unbind, and several devices', () => {
    test('after exit accesses abort without a record, and page requests are INVALID', () => {
      const { rig, sva, mm, handle, pasid, area } = bench(model)
      rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 })
      rig.run()
      mm.exit()
      const late = rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 })
      rig.run()
      expect(late.status).not.toBe('done')
      expect([rig.unit.faults.recorded, rig.engine.outstandingRequests]).toEqual([0, 0])
      rig.plug(1)
      const afterwards = sva.bind(rig.devices[1]!, mm)
      const dead = rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 }, rig.engines[1])
      rig.run()
      expect([dead.status, rig.unit.faults.recorded]).toEqual([late.status, 0])
      sva.unbind(afterwards)
      sva.unbind(handle)
      expect([sva.pasids.inUse, rig.driver.domains.count]).toEqual([0, 0])
    })

    test('unbind drains: work that was queued runs before it returns, and the retry finds no PASID', () => {
      const { rig, sva, handle, pasid, area } = bench(model, { workNanos: 1_000_000 })
      const fill = rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 })
      while (rig.driver.queue.workQueue.length === 0) rig.world.scheduler.step()
      sva.unbind(handle)
      expect([rig.driver.queue.workQueue.length, rig.device.faultParam]).toEqual([0, undefined])
      expect(rig.driver.queue.pool.groupsInUse).toBe(0)
      rig.run()
      expect([rig.engine.outstandingRequests, fill.status]).toEqual([0, 'unrecoverable'])
    })

    test('one domain serves two devices; without PRI bind is ENODEV', () => {
      const { rig, sva, mm, handle, pasid, area } = bench(model, { engines: 2 })
      const second = sva.bind(rig.devices[1]!, mm)
      expect(second.domain).toBe(handle.domain)
      rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1, value: 4 }, rig.engines[1])
      rig.run()
      mm.munmap(area, 4096)
      for (const engine of rig.engines) {
        const gone = rig.submit({ op: 'fill', pasid, destination: area, lengthBytes: 1 }, engine)
        rig.run()
        expect(gone.status).toBe('invalid')
      }
      const plain = model.create({ engine: { pri: undefined } })
      expect(thrownBy(() => new Sva(plain.world).bind(plain.device, mm))).toBe(ENODEV)
    })
  })
}
