// SPDX-License-Identifier: MIT
import { FIRST_PROCESS } from '../format/encode.ts'
import type { Value } from '../format/schema.ts'
import { type ContextState, type FuzzState, HOSTILE_LENGTHS, HOSTILE_NUMBERS, HUGE_AREA } from './state.ts'

const MEMFD_AREA = 0x1800_0000
const PROCESSES_MAX = 4

export function openContext(state: FuzzState): void {
  const name = state.name('io')
  const isVfio = state.random.oneIn(14)
  state.push({ kind: 'open', open: isVfio ? '/dev/vfio/vfio' : '/dev/iommu', as: name, ...state.where() })
  const context: ContextState = {
    fd: `$${name}`,
    isVfio,
    ioases: [],
    hwpts: [],
    dirtyHwpts: [],
    devices: [],
    stdevs: [],
    queues: [],
    accesses: [],
    viommus: [],
    vdevices: [],
    eventQueues: [],
    hwQueues: [],
    mappings: [],
  }
  state.contexts.push(context)
  state.context = context
  state.descriptors.push(`$${name}`)
}

export function closeContext(state: FuzzState): void {
  const { context } = state
  if (context === undefined) return
  state.push(...state.detachAll(), { kind: 'close', close: context.fd, ...state.where() })
}

export function fork(state: FuzzState): void {
  if (state.processes.length >= PROCESSES_MAX) return
  const child = state.name('child')
  state.push({ kind: 'fork', fork: child, ...state.where() })
  state.processes.push(child)
}

export function exit(state: FuzzState): void {
  if (state.process === FIRST_PROCESS) return
  state.push(...state.detachAll(), { kind: 'exit', exit: 0n, in: state.process })
  state.processes.splice(state.processes.indexOf(state.process), 1)
  state.process = FIRST_PROCESS
}

export function send(state: FuzzState): void {
  const others = state.processes.filter((process) => process !== state.process)
  const to = others[state.random.below(others.length)]
  if (to === undefined) return
  const as = state.name('sent')
  state.push({ kind: 'send', send: state.oneOf(state.descriptors), to, as, ...state.where() })
  state.descriptors.push(`$${as}`)
}

export function dup(state: FuzzState): void {
  const { random } = state
  const as = state.name('dup')
  const fd = state.oneOf(state.descriptors)
  if (random.oneIn(3)) {
    state.push({ kind: 'dup2', dup2: fd, to: BigInt(20 + random.below(4)), as, ...state.where() })
  } else state.push({ kind: 'dup', dup: fd, as, ...state.where() })
  state.descriptors.push(`$${as}`)
}

/** Of any descriptor: it may be the last of a context. */
export function close(state: FuzzState): void {
  const close = state.oneOf(state.descriptors)
  state.forgetFile(close)
  state.push(...state.detachAll(), { kind: 'close', close, ...state.where() })
}

/** Calls that the files mostly refuse. */
export function oddCall(state: FuzzState): void {
  const { random } = state
  const fd = state.oneOf(state.descriptors)
  const where = state.where()
  const offset = random.pick([0n, 1n, 40n, 0xffff_ffff_ffff_ffffn])
  const count = BigInt(random.pick([0, 1, 8, 12, 40, 80]))
  const make = random.pick([
    (): void => state.push({ kind: 'pread', pread: fd, count, offset, ...where }),
    (): void =>
      state.push({ kind: 'pwrite', pwrite: fd, bytes: '00'.repeat(Number(count)), offset, ...where }),
    (): void => state.push({ kind: 'lseek', lseek: fd, offset, whence: BigInt(random.below(3)), ...where }),
    (): void => state.push({ kind: 'poll', poll: fd, ...where }),
    (): void => state.push({ kind: 'fcntl', fcntl: fd, command: 'F_GETFD', ...where }),
    (): void => state.push({ kind: 'read', read: fd, count, ...where }),
    (): void => state.push({ kind: 'write', write: fd, bytes: '00'.repeat(Number(count)), ...where }),
  ])
  make()
}

export function memfd(state: FuzzState): void {
  const { random } = state
  const as = state.name('memfd')
  const where = state.where()
  const huge = state.hugePages && random.oneIn(4)
  const length = huge ? 0x20_0000n : BigInt(0x1000 * random.below(10))
  state.push(
    { kind: 'memfd', memfd: huge ? 'HUGETLB' : 0n, as, ...where },
    { kind: 'ftruncate', ftruncate: `$${as}`, length, ...where },
  )
  state.memfds.push({ fd: `$${as}`, process: state.process })
  state.descriptors.push(`$${as}`)
}

export function truncate(state: FuzzState): void {
  const { random } = state
  const length = random.oneIn(4) ? BigInt(random.below(0x8000)) : BigInt(0x1000 * random.below(10))
  state.push({ kind: 'ftruncate', ftruncate: state.oneOf(state.own(state.memfds)), length, ...state.where() })
}

/** Memory of the process changes under its mappings. */
export function changeMemory(state: FuzzState): void {
  const { random } = state
  const page = BigInt(0x1000_0000 + 0x1000 * random.below(24))
  const length = BigInt(0x1000 * (1 + random.below(4)))
  const where = state.where()
  const make = random.weighted([
    [3, (): void => state.push({ kind: 'munmap', munmap: page, length, ...where })],
    [3, (): void => state.push({ kind: 'mmap', mmap: page, length, ...where })],
    [
      2,
      (): void =>
        state.push({
          kind: 'mprotect',
          mprotect: page,
          length,
          prot: random.pick(['READ', 'NONE', 'READ|WRITE']),
          ...where,
        }),
    ],
    [1, (): void => state.push({ kind: 'madvise', madvise: page, length, advice: 'DONTNEED', ...where })],
    [2, (): void => mapMemfd(state)],
    [4, (): void => poke(state)],
    [3, (): void => state.push({ kind: 'peek', peek: state.address(), length: 16n, ...where })],
    [state.hugePages ? 1 : 0, (): void => mapHuge(state)],
  ])
  make()
}

export function mapHuge(state: FuzzState): void {
  state.hasHugeArea = true
  const flags = 'PRIVATE|ANONYMOUS|HUGETLB'
  state.push({ kind: 'mmap', mmap: HUGE_AREA, length: 0x20_0000n, flags, ...state.where() })
}

function poke(state: FuzzState): void {
  const { random } = state
  const byte = random.below(256).toString(16).padStart(2, '0')
  state.push({
    kind: 'poke',
    poke: state.address(),
    data: { bytes: byte.repeat(1 + random.below(8)) },
    ...state.where(),
  })
}

function mapMemfd(state: FuzzState): void {
  const { random } = state
  const memfds = state.own(state.memfds)
  const fd = memfds[random.below(memfds.length)]
  if (fd === undefined) return
  const inArena = random.oneIn(2)
  const mmap = BigInt((inArena ? 0x1000_0000 : MEMFD_AREA) + 0x1000 * random.below(20))
  const flags = random.oneIn(3) ? 'PRIVATE' : 'SHARED'
  const length = BigInt(0x1000 * (1 + random.below(4)))
  state.push({
    kind: 'mmap',
    mmap,
    length,
    fd,
    flags,
    offset: BigInt(0x1000 * random.below(3)),
    ...state.where(),
  })
}

export function limits(state: FuzzState): void {
  const { random } = state
  const where = state.where()
  const make = random.weighted([
    [3, (): void => state.push({ kind: 'drop', drop: 'CAP_IPC_LOCK', ...where })],
    [1, (): void => state.push({ kind: 'drop', drop: 'CAP_SYS_RESOURCE', ...where })],
    [
      4,
      (): void =>
        state.push({ kind: 'limit', limit: 'memlock', to: BigInt(0x1000 * random.below(12)), ...where }),
    ],
    [
      1,
      (): void => state.push({ kind: 'limit', limit: 'nofile', to: BigInt(8 + random.below(16)), ...where }),
    ],
  ])
  make()
}

export function counter(state: FuzzState): void {
  state.push({ kind: 'counter', counter: state.random.pick(['VmPin', 'VmLck'] as const), ...state.where() })
}

// The compatibility with VFIO.

export function vfioIoas(state: FuzzState): void {
  const { random } = state
  const op = random.oneIn(15) ? BigInt(random.below(5)) : BigInt(random.below(3))
  const name = state.name('vfio')
  const ioas_id: Value = state.oneOf(state.context?.ioases ?? [])
  state.push(state.ioctl('IOMMU_VFIO_IOAS', { op, ioas_id }, name))
  if (op === 0n) state.context?.ioases.push(`$${name}.ioas_id`)
}

export function vfioSet(state: FuzzState): void {
  const argument = state.random.oneIn(8) ? BigInt(state.random.below(10)) : state.random.pick([1n, 3n])
  state.push({ ...state.ioctl('VFIO_SET_IOMMU'), kind: 'ioctl', ioctl: 'VFIO_SET_IOMMU', argument })
}

export function vfioQuery(state: FuzzState): void {
  const { random } = state
  if (random.oneIn(3)) {
    const argument = random.pick([1n, 3n, 4n, 8n, 9n, 2n])
    const ioctl = random.oneIn(4) ? 'VFIO_GET_API_VERSION' : 'VFIO_CHECK_EXTENSION'
    state.push({ ...state.ioctl(ioctl), kind: 'ioctl', ioctl, argument })
    return
  }
  const argsz = random.oneIn(3) ? BigInt(random.below(160)) : 120n
  const info = state.ioctl('VFIO_IOMMU_GET_INFO', { argsz })
  state.push({ ...info, kind: 'ioctl', ioctl: 'VFIO_IOMMU_GET_INFO', tail: '00'.repeat(120) })
}

export function vfioMap(state: FuzzState): void {
  const { random } = state
  const flags = BigInt(1 + random.below(state.oddly(10) ? 15 : 3))
  const [size, vaddr, iova] = [state.length(), state.address(), state.iova()]
  state.push(state.ioctl('VFIO_IOMMU_MAP_DMA', { flags, vaddr, iova, size }))
  const ioas = state.context?.ioases[0] ?? 1n
  state.context?.mappings.push({ ioas, iova, length: size, address: vaddr })
}

export function vfioUnmap(state: FuzzState): void {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const mapping = mappings[random.below(mappings.length)]
  const all = random.oneIn(10)
  const fields = all
    ? { flags: 2n, iova: random.oneIn(6) ? 1n : 0n, size: 0n }
    : {
        flags: random.oneIn(20) ? BigInt(random.below(8)) : 0n,
        iova: mapping === undefined || random.oneIn(4) ? state.iova() : mapping.iova,
        size: mapping === undefined || random.oneIn(4) ? state.length() : mapping.length,
      }
  state.push(state.ioctl('VFIO_IOMMU_UNMAP_DMA', fields))
}

/** Any number, or a structure of any size or content. */
export function hostileCall(state: FuzzState): void {
  const { random } = state
  const number = random.weighted([
    [8, BigInt(0x3b80 + random.below(0x22))],
    [1, BigInt(0x3b60 + random.below(0x20))],
    [1, random.pick([0x13b81n, 0xc0003b81n, 0x3c81n, 0n, 0xffffffffn])],
  ])
  const words = Array.from({ length: 2 + random.below(18) }, () =>
    random.oneIn(4)
      ? random.pick(HOSTILE_NUMBERS)
      : random.oneIn(6)
        ? random.pick(HOSTILE_LENGTHS)
        : BigInt(random.below(6)),
  )
  words[0] = BigInt(random.oneIn(3) ? random.below(100) : random.pick([8, 12, 16, 24, 32, 40, 48, 72, 80]))
  if (number === 0x3ba0n) words[1] = BigInt(random.pick([0, 24, 99, 0x1003]))
  const bytes = words.map(hex32).join('')
  const fd = state.oneOf(random.oneIn(6) ? state.descriptors : [state.context?.fd ?? 3n])
  state.push(...(number === 0x3b80n ? state.detachAll() : []), {
    kind: 'ioctl',
    ioctl: number,
    bytes,
    on: fd,
    ...state.where(),
  })
}

function hex32(value: bigint): string {
  const word = BigInt.asUintN(32, value)
  return [0n, 8n, 16n, 24n].map((shift) => ((word >> shift) & 0xffn).toString(16).padStart(2, '0')).join('')
}
