// SPDX-License-Identifier: MIT
/** The filter that a program runs behind. */
import { REGION_STRIDE } from '../../iommufd/vfio-device/regions.ts'
import { assemble, compute, give, type Line, load, whenAtLeast, whenEqual } from './bpf.ts'
import { type TrappedCall, TRAPPED_CALLS, type When } from './trapped-calls.ts'

export const ARCH_X64 = 0xc000003e
export const ARCH_I386 = 0x40000003

const RETURN_ALLOW = 0x7fff0000
const RETURN_NOTIFY = 0x7fc00000
const RETURN_ERRNO = 0x00050000
const ENOSYS = 38

/** Numbers from here on are x32's. */
const X32_FIRST = 0x40000000

/** Places in struct seccomp_data. */
const NUMBER = 0
const ARCHITECTURE = 4
const argument = (index: number): number => 16 + 8 * index

const IOCTL_TYPE_MASK = 0xff00
const IOCTL_TYPE_IOMMU = 0x3b00
/** The kernel answers these for files with a length, which ours have none of. */
const FIONREAD = 0x541b
const FIOQSIZE = 0x5460
const F_DUPFD = 0
const F_GETFL = 3
const F_DUPFD_CLOEXEC = 1030

const MAP_TYPE = 0xf
const MAP_ANONYMOUS = 0x20
const MAP_SHARED = 1
const MAP_SHARED_VALIDATE = 3

/** High words of offsets in regions of devices. */
const REGION_HI_FIRST: number = REGION_STRIDE / 2 ** 32
const REGION_HI_END: number = 16 * REGION_HI_FIRST

const RECORD_BYTES = 40
/** Reads from here on are taken for reads of something else. */
const RECORDS_BYTES_MAX = 65536
const ANSWER_BYTES = 8
/** Writes from here on are taken for writes of something else. */
const ANSWERS_BYTES_MAX = 512

export interface FilterOptions {
  /** Descriptors kept for fault queues: from `first` up to, without, `end`. */
  readonly first: number
  readonly end: number
}

/** What the kernel runs at each system call of the program. */
export function buildFilter({ first, end }: FilterOptions): Uint8Array {
  return assemble([
    load(ARCHITECTURE),
    whenEqual(ARCH_X64, undefined, 'not x64'),
    load(NUMBER),
    whenAtLeast(X32_FIRST, 'allow'),
    ...rows((call) => call.x64),
    whenEqual(0, 'allow', 'allow'),
    'not x64',
    whenEqual(ARCH_I386, undefined, 'allow'),
    load(NUMBER),
    ...rows((call) => call.i386),
    whenEqual(0, 'allow', 'allow'),
    'iommu',
    load(argument(1)),
    whenEqual(FIONREAD, 'always'),
    whenEqual(FIOQSIZE, 'always'),
    compute('and', IOCTL_TYPE_MASK),
    whenEqual(IOCTL_TYPE_IOMMU, 'always', 'reserved'),
    'duplicate',
    load(argument(1)),
    whenEqual(F_DUPFD, 'reserved'),
    whenEqual(F_GETFL, 'always'),
    whenEqual(F_DUPFD_CLOEXEC, 'reserved', 'allow'),
    'mapping',
    load(argument(3)),
    compute('and', MAP_TYPE | MAP_ANONYMOUS),
    whenEqual(MAP_SHARED, 'always'),
    whenEqual(MAP_SHARED_VALIDATE, 'always', 'allow'),
    'region',
    load(argument(3) + 4),
    whenAtLeast(REGION_HI_END, 'allow'),
    whenAtLeast(REGION_HI_FIRST, 'always', 'allow'),
    'records',
    ...inRange(first, end, 'count'),
    'count',
    ...wholeMultiples(RECORD_BYTES, RECORDS_BYTES_MAX),
    'answers',
    ...inRange(first, end, 'small'),
    'small',
    ...wholeMultiples(ANSWER_BYTES, ANSWERS_BYTES_MAX),
    'reserved',
    ...inRange(first, end, 'allow'),
    'allow',
    give(RETURN_ALLOW),
    'always',
    give(RETURN_NOTIFY),
    'refuse',
    give(RETURN_ERRNO | ENOSYS),
  ])
}

function rows(numberOf: (call: TrappedCall) => number | undefined): Line[] {
  return TRAPPED_CALLS.flatMap((call: TrappedCall) => {
    const number = numberOf(call)
    const to: When = call.when
    return number === undefined ? [] : [whenEqual(number, to)]
  })
}

/** Notifies when the first argument is in the range. */
function inRange(first: number, end: number, otherwise: string): Line[] {
  return [load(argument(0)), whenAtLeast(end, otherwise), whenAtLeast(first, 'always', otherwise)]
}

/** Notifies when the third argument is a whole multiple: there is no modulo, n - n/40*40 does it. */
function wholeMultiples(bytes: number, end: number): Line[] {
  return [
    load(argument(2) + 4),
    whenEqual(0, undefined, 'allow'),
    load(argument(2)),
    whenAtLeast(end, 'allow'),
    whenEqual(0, 'allow'),
    compute('keep'),
    compute('divide', bytes),
    compute('multiply', bytes),
    compute('minusX'),
    whenEqual(0, 'always', 'allow'),
  ]
}
