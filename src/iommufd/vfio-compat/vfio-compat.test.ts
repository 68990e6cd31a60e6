// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { RESERVED_RESERVED } from '../../kernel/iommu/driver.ts'
import { contextOf } from '../context-file.ts'
import { FakeMachine, codeOf } from '../fake-machine.suite.ts'
import type { Iommufd } from '../iommufd.ts'
import type { Ioas } from '../door/ioas.ts'

// Expectations: `spec/02` §10, §12 and `spec/03` §6.1, and where they say nothing as observed on 7.2.13.

const ARG = 0x2000
/** Memory to map, 16 pages. */
const USER = 0x10000n
const IOVA = 0x1000000n

let machine: FakeMachine
let iommufd: Iommufd
let ioas: Ioas

beforeEach(() => start({}))

function start(options: ConstructorParameters<typeof FakeMachine>[0]): void {
  machine = new FakeMachine({ pages: 80, ...options })
  machine.iommu.aperture = { firstPage: 0x1000, lastPage: 0x7ffff }
  iommufd = machine.open()
  ioas = iommufd.allocIoas()
}

function view(): DataView {
  return new DataView(machine.mm.bytes.buffer)
}

function ioctl(number: number, argument: bigint | number): string {
  return codeOf(() => {
    const result = machine.process.ioctl(iommufd.fd, number, BigInt.asUintN(64, BigInt(argument)))
    if (result !== 0) throw new Error(`result ${result}`)
  })
}

function extension(number: bigint | number): number | string {
  try {
    return machine.process.ioctl(iommufd.fd, 0x3b65, BigInt.asUintN(64, BigInt(number)))
  } catch (error) {
    return codeOf(() => {
      throw error
    })
  }
}

/** IOMMU_VFIO_IOAS; returns the errno and what `ioas_id` then is. */
function vfioIoas(op: number, id = 0, reserved = 0): [string, number] {
  const words = view()
  words.setUint32(ARG, 12, true)
  words.setUint32(ARG + 4, id, true)
  words.setUint16(ARG + 8, op, true)
  words.setUint16(ARG + 10, reserved, true)
  const code = ioctl(0x3b88, ARG)
  return [code, words.getUint32(ARG + 4, true)]
}

const setIoas = (): void => expect(vfioIoas(1, ioas.id)[0]).toBe('ok')
const setIommu = (type: bigint | number): string => ioctl(0x3b66, type)

/** A device attached to the IOAS: from now on there is a domain. */
function attach(): void {
  iommufd.bind('dev0').attach(ioas)
}

function mapDma(flags: number, address: bigint, iova: bigint, size: bigint, argsz = 32): string {
  const words = view()
  words.setUint32(ARG, argsz, true)
  words.setUint32(ARG + 4, flags, true)
  words.setBigUint64(ARG + 8, BigInt.asUintN(64, address), true)
  words.setBigUint64(ARG + 16, BigInt.asUintN(64, iova), true)
  words.setBigUint64(ARG + 24, BigInt.asUintN(64, size), true)
  return ioctl(0x3b71, ARG)
}

/** Returns the errno and what `size` then is. */
function unmapDma(iova: bigint, size: bigint, flags = 0, argsz = 24): [string, bigint] {
  const words = view()
  words.setUint32(ARG, argsz, true)
  words.setUint32(ARG + 4, flags, true)
  words.setBigUint64(ARG + 8, BigInt.asUintN(64, iova), true)
  words.setBigUint64(ARG + 16, BigInt.asUintN(64, size), true)
  const code = ioctl(0x3b72, ARG)
  return [code, words.getBigUint64(ARG + 16, true)]
}

describe('IOMMU_VFIO_IOAS', () => {
  test('sets, tells and clears the IOAS', () => {
    expect(vfioIoas(0)).toEqual(['ENODEV', 0])
    expect(vfioIoas(2, 99)).toEqual(['ok', 99])
    setIoas()
    expect(vfioIoas(0, 99)).toEqual(['ok', ioas.id])
    expect(vfioIoas(2)[0]).toBe('ok')
    expect(vfioIoas(0, 99)).toEqual(['ENODEV', 99])
  })

  test('looks at the reserved word, then at the operation, then at the id', () => {
    expect(vfioIoas(3, 99, 1)[0]).toBe('EOPNOTSUPP')
    expect(vfioIoas(1, 99, 1)[0]).toBe('EOPNOTSUPP')
    expect(vfioIoas(3, 99)[0]).toBe('EOPNOTSUPP')
    expect(vfioIoas(1, 99)[0]).toBe('ENOENT')
  })

  test('holds nothing: the IOAS can be destroyed, and is then not set any more', () => {
    setIoas()
    const other = iommufd.allocIoas()
    other.destroy()
    expect(vfioIoas(0)).toEqual(['ok', ioas.id])
    ioas.destroy()
    expect(vfioIoas(0)[0]).toBe('ENODEV')
  })

  test('answers only what it was asked', () => {
    const written: number[] = []
    for (const op of [1, 0, 2]) {
      machine.mm.onCopyOut = () => written.push(op)
      vfioIoas(op, ioas.id)
    }
    expect(written).toEqual([0])
  })
})

describe('the container', () => {
  test('has API version 0, whatever the argument', () => {
    expect(ioctl(0x3b64, 0n)).toBe('ok')
    expect(ioctl(0x3b64, 0xdead000n)).toBe('ok')
  })

  test('knows TYPE1, TYPE1v2 and UNMAP_ALL; coherency needs an IOAS', () => {
    const all = Array.from({ length: 14 }, (_, number) => extension(number))
    expect(all).toEqual([0, 1, 0, 1, 'ENODEV', 0, 0, 0, 0, 1, 0, 0, 0, 0])
    expect([extension(-1n), extension(2n ** 32n + 1n), extension(2n ** 63n)]).toEqual([0, 0, 0])
  })

  test('is coherent without a page table, and with those that enforce it', () => {
    setIoas()
    expect(extension(4)).toBe(1)
    attach()
    expect(extension(4)).toBe(0)
  })

  test('checks the type before the IOAS', () => {
    for (const type of [0, 2, 8, 2n ** 32n + 1n, -1n]) expect(setIommu(type)).toBe('EINVAL')
    expect([setIommu(1), setIommu(3)]).toEqual(['ENODEV', 'ENODEV'])
    setIoas()
    expect([setIommu(1), setIommu(1), setIommu(3), setIommu(2)]).toEqual(['ok', 'ok', 'ok', 'EINVAL'])
  })

  test('TYPE1 wants small pages: EINVAL once a domain has areas, EADDRINUSE with areas that are no pages', () => {
    setIoas()
    mapDma(3, USER, IOVA, 0x1000n)
    attach()
    expect([setIommu(1), setIommu(3)]).toEqual(['EINVAL', 'ok'])
    start({})
    setIoas()
    mapDma(3, USER + 0x800n, IOVA + 0x800n, 0x800n)
    expect(setIommu(1)).toBe('EADDRINUSE')
    start({})
    setIoas()
    mapDma(3, USER, IOVA, 0x1000n)
    expect(setIommu(1)).toBe('ok')
    attach()
    expect(setIommu(1)).toBe('ok')
  })
})

describe('MAP_DMA', () => {
  test('checks the size of the struct, the flags, the IOAS', () => {
    expect(ioctl(0x3b71, 0n)).toBe('EFAULT')
    expect(ioctl(0x3b71, machine.mm.bytes.length - 31)).toBe('EFAULT')
    expect(mapDma(3, USER, IOVA, 0x1000n, 31)).toBe('EINVAL')
    expect(mapDma(4, USER, IOVA, 0x1000n)).toBe('EINVAL')
    expect(mapDma(3, USER, IOVA, 0x1000n)).toBe('ENODEV')
    setIoas()
    expect(mapDma(3, USER, IOVA, 0x1000n, 33)).toBe('ok')
    expect(mapDma(3, USER, IOVA + 0x1000n, 0x1000n, 0xffffffff)).toBe('ok')
  })

  /** Rows without a domain: address, IOVA, size, errno. */
  const rows: readonly (readonly [string, bigint, bigint, bigint, string])[] = [
    ['size 0', USER, IOVA, 0n, 'EINVAL'],
    ['an IOVA that wraps', USER, -0x1000n, 0x2000n, 'EOVERFLOW'],
    ['the last IOVA', USER, -1n, 0x1000n, 'EOVERFLOW'],
    ['the longest size', USER, 0x1000n, -1n, 'EOVERFLOW'],
    ['memory that wraps', -0x1000n, IOVA, 0x2000n, 'EOVERFLOW'],
    ['memory up to the end', -0x1000n, IOVA, 0x1000n, 'EOVERFLOW'],
    ['parts of pages', USER + 0x800n, IOVA + 0x800n, 0x800n, 'ok'],
    ['odd memory', USER + 1n, IOVA, 0x1000n, 'ok'],
    ['memory that is not there', 0x7fff0000n, IOVA, 0x1000n, 'ok'],
    ['IOVA 0', USER, 0n, 0x1000n, 'ok'],
  ]
  test.each(rows)('%s', (_, address, iova, size, code) => {
    setIoas()
    expect(mapDma(3, address, iova, size)).toBe(code)
  })

  test('needs no permission as long as there is no domain', () => {
    setIoas()
    for (const flags of [0, 1, 2, 3])
      expect(mapDma(flags, USER, IOVA + BigInt(flags) * 0x1000n, 0x1000n)).toBe('ok')
    expect(mapDma(0, USER, IOVA, 0x1000n)).toBe('EEXIST')
    expect(mapDma(0, USER, IOVA + 0x8000n, 0n)).toBe('EINVAL')
  })

  test('without permission is EINVAL with a domain, and so is the domain that comes later', () => {
    setIoas()
    attach()
    expect(mapDma(0, USER, IOVA, 0x1000n)).toBe('EINVAL')
    expect(mapDma(3, USER, IOVA, 0x1000n)).toBe('ok')
    start({})
    setIoas()
    mapDma(0, USER, IOVA, 0x1000n)
    expect(codeOf(attach)).toBe('EINVAL')
  })

  test('looks at alignment and memory with a domain', () => {
    setIoas()
    attach()
    expect(mapDma(3, USER, -1n, 0x1000n)).toBe('EINVAL')
    expect(mapDma(3, USER + 1n, IOVA, 0x1000n)).toBe('EINVAL')
    expect(mapDma(3, 0x7fff0000n, IOVA, 0x1000n)).toBe('EFAULT')
    expect(mapDma(3, USER, 0x1000n, 0x1000n)).toBe('EINVAL')
    expect(mapDma(0, USER, IOVA, 0x1000n, 0)).toBe('EINVAL')
  })
})

describe('UNMAP_DMA', () => {
  test('checks the size of the struct, the flags, the IOAS, then what ALL must be', () => {
    expect(ioctl(0x3b72, 0n)).toBe('EFAULT')
    expect(ioctl(0x3b72, machine.mm.bytes.length - 23)).toBe('EFAULT')
    expect(unmapDma(1n, 1n, 9, 20)).toEqual(['EINVAL', 1n])
    for (const flags of [1, 3, 4, 8]) expect(unmapDma(1n, 1n, flags)).toEqual(['EINVAL', 1n])
    expect(unmapDma(1n, 1n, 2)).toEqual(['ENODEV', 1n])
    setIoas()
    expect(unmapDma(1n, 0n, 2)).toEqual(['EINVAL', 0n])
    expect(unmapDma(0n, 1n, 2)).toEqual(['EINVAL', 1n])
    expect(unmapDma(0n, 0n, 2, 0xffffffff)).toEqual(['ok', 0n])
  })

  describe.each([
    ['without a domain', false],
    ['with one', true],
  ])('%s', (_, domain) => {
    /** TYPE1 or TYPE1v2, and an area of 16 pages. */
    function open(type: number): void {
      start({})
      setIoas()
      setIommu(type)
      if (domain) attach()
      mapDma(3, USER, IOVA, 0x10000n)
    }

    test('TYPE1v2 takes away whole areas only, and says what it took', () => {
      open(3)
      expect(unmapDma(IOVA + 0x4000n, 0x4000n)).toEqual(['ENOENT', 0n])
      expect(unmapDma(IOVA, 0x10000n)).toEqual(['ok', 0x10000n])
      for (const at of [0n, 0x4000n, 0x8000n]) mapDma(3, USER + at, IOVA + at, 0x4000n)
      expect(unmapDma(IOVA, 0x6000n)).toEqual(['ENOENT', 0x4000n])
      expect(unmapDma(IOVA + 0x2000n, 0x8000n)).toEqual(['ENOENT', 0x4000n])
      expect(unmapDma(IOVA + 0x8000n, 0x4000n)).toEqual(['ok', 0x4000n])
    })

    test('a range with nothing in it is no failure', () => {
      open(3)
      expect(unmapDma(IOVA + 0x20000n, 0x1000n)).toEqual(['ok', 0n])
      expect(unmapDma(-0x1000n, 0x1000n)).toEqual(['ok', 0n])
      expect(unmapDma(-1n, 1n)).toEqual(['ok', 0n])
    })

    test('sizes that are none write 0', () => {
      open(3)
      expect(unmapDma(IOVA, 0n)).toEqual(['EINVAL', 0n])
      expect(unmapDma(-0x1000n, 0x2000n)).toEqual(['EOVERFLOW', 0n])
      expect(unmapDma(0x1000n, -1n)).toEqual(['EOVERFLOW', 0n])
      expect(unmapDma(0n, -1n)).toEqual(['ok', 0x10000n])
    })

    test('ALL takes everything', () => {
      open(3)
      mapDma(3, USER, IOVA + 0x20000n, 0x1000n)
      expect(unmapDma(0n, 0n, 2)).toEqual(['ok', 0x11000n])
      expect(unmapDma(0n, 0n, 2)).toEqual(['ok', 0n])
    })

    test('TYPE1 cuts areas at both ends', () => {
      open(1)
      expect(unmapDma(IOVA + 0x4000n, 0x4000n)).toEqual(['ok', 0x4000n])
      expect(unmapDma(IOVA + 0x4000n, 0x4000n)).toEqual(['ok', 0n])
      expect(unmapDma(IOVA + 0x2000n, 0x4000n)).toEqual(['ok', 0x2000n])
      expect(unmapDma(IOVA, 0x10000n)).toEqual(['ok', 0xa000n])
      expect(machine.mm.pins).toBe(0)
    })

    test('TYPE1 does not cut where it is not aligned, and writes no size then', () => {
      open(1)
      for (const [at, size] of [
        [0x800n, 0x1000n],
        [0x1000n, 0x1800n],
        [1n, 0x1000n],
        [0n, 0x1001n],
      ] as const)
        expect(unmapDma(IOVA + at, size)).toEqual(['EINVAL', size])
      expect(ioas.unmap({ iova: IOVA, lengthBytes: 0x10000 })).toBe(0x10000n)
    })

    test('TYPE1 cuts the end first, and before it looks at the size', () => {
      open(1)
      expect(unmapDma(IOVA + 0x2000n, 0n)).toEqual(['EINVAL', 0n])
      expect(ioas.unmap({ iova: IOVA, lengthBytes: 0x2000 })).toBe(0x2000n)
      open(1)
      expect(unmapDma(IOVA + 0x1800n, 0x2800n)).toEqual(['EINVAL', 0x2800n])
      expect(ioas.unmap({ iova: IOVA + 0x4000n, lengthBytes: 0xc000 })).toBe(0xc000n)
    })

    test('the answer that cannot be written is EFAULT, and what was taken away is gone', () => {
      open(3)
      machine.mm.onCopyOut = () => machine.mm.badPages.add(ARG >> 12)
      expect(unmapDma(IOVA, 0x10000n)[0]).toBe('EFAULT')
      machine.mm.onCopyOut = undefined
      machine.mm.badPages.delete(ARG >> 12)
      expect(unmapDma(IOVA, 0x10000n)).toEqual(['ok', 0n])
    })
  })
})

test('nothing of it is left when the descriptor is closed', () => {
  setIoas()
  mapDma(3, USER, IOVA, 0x4000n)
  const { objects } = contextOf(machine.process, iommufd.fd)
  iommufd.close()
  expect(objects.empty).toBe(true)
  expect(machine.mm.references).toBe(1)
})

test('reserved regions of a device are no IOVA of a map', () => {
  start({
    devices: [{ reservedRegions: [{ firstPage: 0x2000, lastPage: 0x2000, kind: RESERVED_RESERVED }] }],
  })
  setIoas()
  attach()
  expect(mapDma(3, USER, 0x2000000n, 0x1000n)).toBe('EINVAL')
})
