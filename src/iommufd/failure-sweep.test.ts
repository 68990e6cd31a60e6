// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { isErrno } from '../base/errno.ts'
import { type Failpoints, sweepFailures } from '../sim/failpoint.ts'
import { FakeMachine, NOTHING_LEFT } from './fake-machine.suite.ts'
import { type Iommufd, IommufdError } from './index.ts'

/** An expected failure anywhere ends the story: what is open is then closed. */
function story(failpoints: Failpoints, tell: (machine: FakeMachine, iommufd: Iommufd) => void): void {
  const machine = new FakeMachine({ world: { failpoints } })
  try {
    tell(machine, machine.open())
  } catch (error) {
    if (!(error instanceof IommufdError) && !isErrno(error)) throw error
  }
  machine.process.exit()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
}

/** Every last request that was reported is answered once. */
function faults(machine: FakeMachine, iommufd: Iommufd): void {
  const device = iommufd.bind('dev0')
  const faultQueue = iommufd.allocFaultQueue()
  const ioas = iommufd.allocIoas()
  ioas.map({ userAddress: 0x1000n, lengthBytes: 0x3000, iova: 0x1000n })
  const hwpt = iommufd.allocHwpt({ device, parent: ioas, faultQueue, pasid: true })
  device.attach(hwpt)
  device.attach(hwpt, { pasid: 4 })
  for (const grpid of [1, 2, 3]) machine.report({ grpid })
  machine.report({ grpid: 4, pasid: 4, last: false })
  machine.report({ grpid: 4, pasid: 4 })
  ioas.map({ userAddress: 0x8000n, lengthBytes: 0x2000, iova: 0x8000n })
  const buffer = new Uint8Array(200)
  faultQueue.read(buffer)
  faultQueue.respond(1, 'success')
  device.replace(iommufd.allocHwpt({ device, parent: ioas, faultQueue, pasid: true }))
  ioas.unmap({ iova: 0x8000n, lengthBytes: 0x2000 })
}

test('nothing is left behind whichever step of a fault’s way fails', async () => {
  expect(await sweepFailures((failpoints) => story(failpoints, faults))).toBeGreaterThan(20)
})

function attachments(_machine: FakeMachine, iommufd: Iommufd): void {
  const [first, second] = [iommufd.allocIoas(), iommufd.allocIoas()]
  for (const ioas of [first, second]) ioas.map({ userAddress: 0x1000n, lengthBytes: 0x3000, iova: 0x1000n })
  const devices = [iommufd.bind('dev0'), iommufd.bind('dev1')]
  for (const device of devices) device.attach(first)
  for (const device of devices) device.replace(second)
  for (const device of devices) device.detach()
}

test('nothing is left behind when attaching to an IOAS fails anywhere', async () => {
  expect(await sweepFailures((failpoints) => story(failpoints, attachments))).toBeGreaterThan(15)
})
