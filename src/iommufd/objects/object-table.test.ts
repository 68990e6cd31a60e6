// SPDX-License-Identifier: MIT
import { beforeEach, expect, test } from 'vitest'
import { contextOf } from '../context-file.ts'
import { FakeMachine, NOTHING_LEFT, codeOf } from '../fake-machine.suite.ts'
import type { Iommufd } from '../iommufd.ts'
import { Process } from '../process.ts'

let machine: FakeMachine
let iommufd: Iommufd

beforeEach(() => {
  machine = new FakeMachine()
  iommufd = machine.open()
})

test('ids are the lowest free from 1 and used again at once (spec/02 §1)', () => {
  const [first, second] = [iommufd.allocIoas(), iommufd.allocIoas()]
  const queue = iommufd.allocFaultQueue()
  expect([first.id, second.id, queue.id]).toEqual([1, 2, 3])
  second.destroy()
  expect(codeOf(() => second.destroy())).toBe('ENOENT')
  expect(iommufd.allocIoas().id).toBe(2)
  expect(iommufd.allocIoas().id).toBe(4)
})

test('ids belong to one context (spec/02 §1)', () => {
  iommufd.allocIoas()
  expect(machine.open().allocIoas().id).toBe(1)
})

test('a bound device is not the ioctl’s to destroy (spec/02 §1.2)', () => {
  const device = iommufd.bind('dev0')
  const context = contextOf(machine.process, iommufd.fd)
  expect(codeOf(() => context.objects.destroyId(device.id))).toBe('EBUSY')
})

test('closing /dev/iommu leaves the context to its fault queue’s descriptor (spec/02 §1.2)', () => {
  const device = iommufd.bind('dev0')
  const queue = iommufd.allocFaultQueue()
  device.attach(iommufd.allocHwpt({ device, parent: iommufd.allocIoas(), faultQueue: queue }))
  iommufd.close()
  machine.report({ grpid: 1 })
  expect(queue.read(new Uint8Array(40))).toBe(40)
  queue.respond(1, 'success')
  expect(machine.iommu.takeAnswers()).toEqual(['dev0 grpid 1 SUCCESS'])
  device.close()
  expect(machine.domains.size).toBe(1)
  queue.close()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
})

test('the end of a context takes objects in any order of dependence (spec/02 §1.2 teardown)', () => {
  const ioas = iommufd.allocIoas()
  const queue = iommufd.allocFaultQueue()
  const device = iommufd.bind('dev0')
  ioas.map({ userAddress: 0x1000n, lengthBytes: 0x1000 })
  iommufd.allocHwpt({ device, parent: ioas, faultQueue: queue })
  queue.close()
  device.close()
  expect(machine.mm.pins).toBe(1)
  iommufd.close()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
})

test('the end of a process closes all it had open, PASIDs before the device itself', () => {
  const ioas = iommufd.allocIoas()
  const device = iommufd.bind('dev0')
  const hwpt = iommufd.allocHwpt({ device, parent: ioas, pasid: true, faultQueue: iommufd.allocFaultQueue() })
  device.attach(hwpt)
  device.attach(hwpt, { pasid: 3 })
  machine.process.exit()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
})

test('descriptors are the lowest free, limited, and EBADF when closed', () => {
  const process = new Process({ mm: machine.mm, openFilesMax: 2 })
  const opened = machine.open(process)
  const queue = opened.allocFaultQueue()
  expect([opened.fd, queue.fd]).toEqual([0, 1])
  expect(codeOf(() => opened.allocFaultQueue())).toBe('EMFILE')
  expect(codeOf(() => opened.bind('dev0'))).toBe('EMFILE')
  opened.close()
  expect(codeOf(() => opened.close())).toBe('EBADF')
  expect(process.files.dup(queue.fd)).toBe(0)
})
