// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { isErrno } from '../../../base/errno.ts'
import { type Failpoints, sweepFailures } from '../../../sim/failpoint.ts'
import { createAccess, destroyAccess } from '../access/access.ts'
import { IoasRig, PAGE } from './ioas-rig.suite.ts'

/** Every way to pin the same memory, ended by the first failure. */
function useEverything(rig: IoasRig): void {
  const ioas = rig.ioas()
  const other = rig.ioas()
  rig.domain(ioas)
  rig.map({ ioas, at: 0x100000n, bytes: 4n * PAGE, iova: 0x10000n })
  rig.mapFile({ ioas, fd: rig.memfd(4), bytes: 4n * PAGE, iova: 0x20000n })
  rig.copy({ ioas: other, from: ioas, at: 0x11000n, bytes: 2n * PAGE, iova: 0x10000n })
  const access = createAccess(rig.context, {
    needsPinPages: true,
    unmap: () => undefined,
  })
  try {
    access.attach(other)
    rig.domain(other)
    access.pinPages(0, 0x10000, 0, 8192, 1, new Int32Array(2))
    access.unpinPages(0, 0x10000, 0, 8192)
    access.rw(0, 0x10ffc, new Uint8Array(8), 4, rig.process)
    access.replace(ioas)
    rig.changeProcess()
  } finally {
    destroyAccess(access)
  }
}

test('the n-th failure leaves nothing pinned, charged or mapped, for every n', async () => {
  const failed = await sweepFailures((failpoints: Failpoints) => {
    failpoints.off()
    const rig = new IoasRig({ world: { failpoints } })
    rig.process.mm.mmap({ lengthBytes: 4 * 4096, prot: 3, address: 0x100000n })
    failpoints.enabled = true
    try {
      useEverything(rig)
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
    }
    failpoints.enabled = false
    for (const object of rig.context.objects.objects()) {
      const space = rig.object(object.id)
      while (space.domains.length > 0) space.removeDomain(space.domains[0]!)
    }
    rig.process.exit()
    const { mm, user } = rig.process
    expect([rig.frames.pinned, rig.frames.inUse, mm.pinnedVm, user.lockedPages]).toEqual([0, 0, 0, 0])
  })
  expect(failed).toBeGreaterThan(12)
})
