// SPDX-License-Identifier: MIT
import type { FieldValue, Value } from '../format/schema.ts'
import type { FuzzState } from './state.ts'

const SELFTEST = 0xdeadbeefn

function deviceOf(state: FuzzState): Value {
  return state.oneOf(state.context?.devices.map(({ idev }) => idev) ?? [])
}

function viommuOf(state: FuzzState): Value {
  return state.oneOf(state.context?.viommus.map(({ id }) => id) ?? [])
}

export function allocViommu(state: FuzzState): void {
  const { random, context } = state
  const parents = context?.hwpts.filter(({ isParent }) => isParent) ?? []
  const parent = parents[random.below(parents.length)]
  const hwpt = parent?.id ?? state.oneOf(context?.hwpts.map(({ id }) => id) ?? [])
  const name = state.name('viommu')
  const withData = random.oneIn(2)
  const data: Record<string, FieldValue> = withData
    ? {
        data_len: state.oddly(10) ? BigInt(random.below(32)) : 24n,
        data_uptr: { struct: 'iommu_viommu_selftest', list: [{ in_data: BigInt(random.word()) }] },
      }
    : {}
  const type = state.oddly(20) ? random.pick([0n, 1n]) : SELFTEST
  state.push(
    state.ioctl('IOMMU_VIOMMU_ALLOC', { type, dev_id: deviceOf(state), hwpt_id: hwpt, ...data }, name),
  )
  const mapped = withData ? name : undefined
  context?.viommus.push({ id: `$${name}.out_viommu_id`, hwpt, mapped })
}

export function allocVdevice(state: FuzzState): void {
  const { random } = state
  const name = state.name('vdevice')
  const virt_id = random.oneIn(10) ? random.pick([0n, 0x1_0000_0001n]) : BigInt(random.below(4))
  const fields = { viommu_id: viommuOf(state), dev_id: deviceOf(state), virt_id }
  state.push(state.ioctl('IOMMU_VDEVICE_ALLOC', fields, name))
  state.context?.vdevices.push(`$${name}.out_vdevice_id`)
}

export function allocEventQueue(state: FuzzState): void {
  const { random } = state
  const name = state.name('events')
  const type = state.oddly(15) ? random.pick([0n, 1n]) : 0xbeefbeefn
  const veventq_depth = state.oddly(15)
    ? random.pick([0n, 1n << 19n, (1n << 19n) + 1n])
    : BigInt(1 + random.below(3))
  const fields = { viommu_id: viommuOf(state), type, veventq_depth }
  state.push(state.ioctl('IOMMU_VEVENTQ_ALLOC', fields, name))
  const fd = `$${name}.out_veventq_fd`
  state.context?.eventQueues.push({ id: `$${name}.out_veventq_id`, fd })
  state.descriptors.push(fd)
}

export function triggerEvent(state: FuzzState): void {
  state.push(state.test('TRIGGER_VEVENT', { dev_id: deviceOf(state) }))
}

function eventFd(state: FuzzState): Value | undefined {
  const queues = state.context?.eventQueues ?? []
  return queues[state.random.below(queues.length)]?.fd
}

export function readEvents(state: FuzzState): void {
  const { random } = state
  const fd = eventFd(state)
  if (fd === undefined) return
  if (random.oneIn(3)) state.push({ kind: 'poll', poll: fd, ...state.where() })
  const count = random.oneIn(6) ? BigInt(random.below(40)) : BigInt(12 * (1 + random.below(4)))
  state.push({ kind: 'read', read: fd, count, struct: 'vevent', ...state.where() })
}

export function closeEvents(state: FuzzState): void {
  const fd = eventFd(state)
  if (fd !== undefined) state.push({ kind: 'close', close: fd, ...state.where() })
}

export function allocHwQueue(state: FuzzState): void {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const mapping = mappings[random.below(mappings.length)]
  const name = state.name('hwqueue')
  const fields = {
    viommu_id: viommuOf(state),
    type: state.oddly(15) ? 0n : SELFTEST,
    index: BigInt(random.below(random.oneIn(10) ? 4 : 2)),
    nesting_parent_iova: mapping?.iova ?? state.iova(),
    length: random.oneIn(6) ? state.length() : BigInt(random.pick([0x800, 0x1000])),
  }
  state.push(state.ioctl('IOMMU_HW_QUEUE_ALLOC', fields, name))
  state.context?.hwQueues.push(`$${name}.out_hw_queue_id`)
}

export function invalidate(state: FuzzState): void {
  const { random, context } = state
  const onViommu = random.oneIn(2)
  const nested = context?.hwpts.filter(({ kind }) => kind === 'nested').map(({ id }) => id) ?? []
  const count = random.below(4)
  const flags = (): bigint => (random.oneIn(10) ? BigInt(random.below(4)) : BigInt(random.below(2)))
  const list = Array.from({ length: count }, () =>
    onViommu
      ? { flags: flags(), vdev_id: BigInt(random.below(4)), cache_id: BigInt(random.below(5)) }
      : { flags: flags(), iotlb_id: BigInt(random.below(5)) },
  )
  const struct = onViommu ? 'iommu_viommu_invalidate_selftest' : 'iommu_hwpt_invalidate_selftest'
  const bytes = onViommu ? 12 : 8
  const fields = {
    hwpt_id: onViommu ? viommuOf(state) : state.oneOf(nested),
    data_type: random.oneIn(12) ? random.pick([0n, 0xdadbeefn]) : SELFTEST,
    entry_len: random.oneIn(15) ? BigInt(random.below(20)) : BigInt(bytes),
    entry_num: random.oneIn(15) ? BigInt(random.below(6)) : BigInt(count),
    data_uptr: { struct, list },
  }
  state.push(state.ioctl('IOMMU_HWPT_INVALIDATE', fields))
}

/** The words that only the test operations show. */
export function checkCaches(state: FuzzState): void {
  const { random, context } = state
  const index = BigInt(random.below(5))
  const nested = context?.hwpts.filter(({ kind }) => kind === 'nested').map(({ id }) => id) ?? []
  if (random.oneIn(2)) {
    const value = random.pick([0n, 0xbaddadn])
    const fields = { id: deviceOf(state), 'check_dev_cache.id': index, cache: value }
    state.push(state.test('DEV_CHECK_CACHE', fields))
    return
  }
  const iotlb = random.pick([0n, 0xbadbeefn])
  state.push(state.test('MD_CHECK_IOTLB', { id: state.oneOf(nested), 'check_iotlb.id': index, iotlb }))
}

/** The pages of a vIOMMU, mapped into the process: they hold what went in. */
export function mapViommu(state: FuzzState): void {
  const { random, context } = state
  const mapped = (context?.viommus ?? []).flatMap(({ mapped }) => mapped ?? [])
  const name = mapped[random.below(mapped.length)]
  if (name === undefined || context === undefined) return
  const address = 0x3000_0000n + BigInt(0x10000 * random.below(4))
  const length = random.oneIn(8) ? random.pick([0n, 0x1000n, 0x2001n, 0x3000n]) : 0x2000n
  const offset = random.oneIn(10) ? 0x1000n : `$${name}.data_uptr.out_mmap_offset`
  const prot = random.oneIn(12) ? 'READ|EXEC' : random.pick(['READ', 'READ|WRITE'])
  const flags = random.oneIn(12) ? 'PRIVATE' : 'SHARED'
  const where = state.where()
  state.push(
    { kind: 'mmap', mmap: address, length, prot, flags, fd: context.fd, offset, ...where },
    { kind: 'peek', peek: address, length: 16n, ...where },
  )
  if (random.oneIn(2)) state.push({ kind: 'munmap', munmap: address, length: 0x2000n, ...where })
}
