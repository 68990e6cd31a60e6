// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { IoasRig, PAGE } from '../objects/ioas/ioas-rig.suite.ts'
import { IommufdError } from '../error.ts'
import { Iommufd } from '../iommufd.ts'

function open(): { rig: IoasRig; iommufd: Iommufd } {
  const rig = new IoasRig()
  return { rig, iommufd: new Iommufd(rig.context, rig.process, rig.fd) }
}

test('memory is copied from one space to another, and within one', () => {
  const { rig, iommufd } = open()
  const first = iommufd.allocIoas()
  const second = iommufd.allocIoas()
  first.map({ userAddress: rig.anonymous(2), lengthBytes: 8192, iova: 0x10000n })
  expect(second.copy({ from: first, fromIova: 0x11000n, lengthBytes: 4096, iova: 0x20000n })).toBe(0x20000n)
  expect(first.copy({ fromIova: 0x10000n, lengthBytes: 8192, writeable: false })).toBeGreaterThan(0n)
  expect(rig.object(first.id).areas.size).toBe(2)
})

test('a file is mapped by its descriptor', () => {
  const { rig, iommufd } = open()
  const ioas = iommufd.allocIoas()
  const domain = rig.domain(ioas.id)
  const fd = rig.memfd(4)
  const iova = ioas.mapFile({ fd, startBytes: PAGE, lengthBytes: 8192 })
  expect(domain.physical(iova)).toBe(rig.fileFrame(fd, 1) * 4096)
  expect(() => ioas.mapFile({ fd: 99, startBytes: 0, lengthBytes: 4096 })).toThrow(
    'ioas.mapFile(fd: 99, startBytes: 0, lengthBytes: 4096): EBADF',
  )
})

test('huge pages are a property of the space', () => {
  const { rig, iommufd } = open()
  const ioas = iommufd.allocIoas()
  expect(ioas.hugePages()).toBe(true)
  ioas.setHugePages(false)
  expect(ioas.hugePages()).toBe(false)
  ioas.setHugePages(true)
  ioas.map({ userAddress: rig.anonymous(1) + 1n, lengthBytes: 5 })
  expect(() => ioas.setHugePages(false)).toThrow(IommufdError)
})
