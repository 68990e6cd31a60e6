// SPDX-License-Identifier: MIT
import type { FieldValue, Value } from '../format/schema.ts'
import { type ContextState, type FuzzState, HOSTILE_NUMBERS, PASIDS } from './state.ts'

const NEST_PARENT = 1n
const DIRTY_TRACKING = 2n
const FAULT_ID_VALID = 4n
const PASID = 8n

function idsOf(context: ContextState | undefined): {
  ioases: readonly Value[]
  hwpts: readonly Value[]
  stdevs: readonly Value[]
  idevs: readonly Value[]
} {
  return {
    ioases: context?.ioases ?? [],
    hwpts: context?.hwpts.map(({ id }) => id) ?? [],
    stdevs: context?.devices.map(({ stdev }) => stdev) ?? [],
    idevs: context?.devices.map(({ idev }) => idev) ?? [],
  }
}

/** An IOAS or a hardware page table, now and then something else. */
function pageTable(state: FuzzState): Value {
  const { ioases, hwpts, stdevs, idevs } = idsOf(state.context)
  const list = state.random.weighted([
    [1, ioases],
    [2, hwpts],
    [10, compatible(state)],
    [state.oddly(1) ? 0.3 : 0, stdevs],
    [state.oddly(1) ? 0.3 : 0, idevs],
  ])
  return state.oneOf(list)
}

/** Those that PASIDs can be attached to, and that a device with PASIDs can be. */
function compatible(state: FuzzState): readonly Value[] {
  return state.context?.hwpts.filter(({ hasPasid }) => hasPasid).map(({ id }) => id) ?? []
}

export function mockDomain(state: FuzzState): void {
  const { random } = state
  const hasPasid = random.below(4) > 0
  const flags = random.weighted([
    [20, hasPasid ? 4n : 0n],
    [2, 1n],
    [2, 5n],
    [state.oddly(1) ? 1 : 0, BigInt(random.below(16))],
  ])
  const name = state.name('dev')
  const id = random.below(4) > 0 ? state.oneOf(idsOf(state.context).ioases) : pageTable(state)
  state.push(state.test('MOCK_DOMAIN_FLAGS', { id, dev_flags: flags }, name))
  state.context?.stdevs.push(`$${name}.out_stdev_id`)
  state.context?.devices.push({ stdev: `$${name}.out_stdev_id`, idev: `$${name}.out_idev_id`, hasPasid })
  state.context?.hwpts.push({
    id: `$${name}.out_hwpt_id`,
    kind: 'paging',
    isParent: false,
    hasPasid: false,
    ioas: id,
  })
}

export function allocQueue(state: FuzzState): void {
  const name = state.name('queue')
  state.push(state.ioctl('IOMMU_FAULT_QUEUE_ALLOC', {}, name))
  const [id, fd] = [`$${name}.out_fault_id`, `$${name}.out_fault_fd`]
  state.context?.queues.push({ id, fd, reads: [] })
  state.descriptors.push(fd)
}

export function allocHwpt(state: FuzzState): void {
  const { random, context } = state
  const { idevs, ioases } = idsOf(context)
  const parent = random.oneIn(4)
  const fault = parent ? state.oddly(8) : random.below(4) > 0
  let flags = random.below(4) > 0 ? PASID : 0n
  if (random.oneIn(5)) flags |= DIRTY_TRACKING
  if (parent) flags |= NEST_PARENT
  if (fault) flags |= FAULT_ID_VALID
  if (state.oddly(50)) flags = BigInt(random.below(32))
  const ioas = state.oneOf(ioases)
  const isParent = (flags & NEST_PARENT) !== 0n
  addHwpt(
    state,
    { flags, dev_id: state.oneOf(idevs), pt_id: ioas, ...domainData(state) },
    'paging',
    isParent,
    ioas,
  )
}

function addHwpt(
  state: FuzzState,
  fields: Record<string, FieldValue>,
  kind: 'paging' | 'nested',
  isParent: boolean,
  ioas: Value | undefined,
): void {
  const name = state.name('hwpt')
  const queues = (state.context?.queues ?? []).slice(0, state.random.oneIn(4) ? 9 : 2).map(({ id }) => id)
  const withFault = { ...fields, fault_id: state.oneOf(queues) }
  state.push(state.ioctl('IOMMU_HWPT_ALLOC', withFault, name))
  const hasPasid = typeof fields['flags'] === 'bigint' && (fields['flags'] & PASID) !== 0n
  state.context?.hwpts.push({ id: `$${name}.out_hwpt_id`, kind, isParent, hasPasid, ioas })
}

/** Data of a paging domain: rarely there. */
function domainData(state: FuzzState): Record<string, FieldValue> {
  const { random } = state
  if (!random.oneIn(12)) return {}
  const data = { iotlb: BigInt(random.below(10)), pagetable_type: BigInt(random.below(3)) }
  return { data_type: 0xdeadn, data_len: 8n, data_uptr: { struct: 'iommu_hwpt_selftest', list: [data] } }
}

export function allocNested(state: FuzzState): void {
  const { random, context } = state
  const { idevs } = idsOf(context)
  const parents = context?.hwpts.filter(({ isParent }) => isParent).map(({ id }) => id) ?? []
  const viommus = context?.viommus.map(({ id }) => id) ?? []
  const pt_id = viommus.length > 0 && random.oneIn(2) ? random.pick(viommus) : state.oneOf(parents)
  const flags = random.pick([0n, FAULT_ID_VALID, FAULT_ID_VALID | PASID, FAULT_ID_VALID | PASID, PASID])
  const iotlb = BigInt(random.below(100))
  const fields = {
    flags: state.oddly(40) ? BigInt(random.below(32)) : flags,
    dev_id: state.oneOf(idevs),
    pt_id,
    data_type: state.oddly(30) ? random.pick([0n, 1n]) : 0xdeadn,
    data_len: state.oddly(30) ? BigInt(random.below(12)) : 4n,
    data_uptr: { struct: 'iommu_hwpt_selftest', list: [{ iotlb }] },
  }
  addHwpt(state, fields, 'nested', false, undefined)
}

export function replace(state: FuzzState): void {
  const { stdevs } = idsOf(state.context)
  state.push(state.test('MOCK_DOMAIN_REPLACE', { id: state.oneOf(stdevs), pt_id: pageTable(state) }))
}

function pasidOf(state: FuzzState): bigint {
  const pasid = state.oddly(25)
    ? state.random.pick([0n, 4n, 0x100000n, 0xffffffffn])
    : state.random.pick(PASIDS)
  state.pasidsUsed.add(pasid)
  return pasid
}

/** Some programs have a domain from the start, others none. */
export function perhapsDevice(state: FuzzState): void {
  if (state.random.below(3) > 0) mockDomain(state)
}

/** A table with PASIDs and faults under every device. */
export function prepareFaults(state: FuzzState): void {
  const { ioases, idevs, stdevs } = idsOf(state.context)
  const ioas = state.oneOf(ioases)
  const fields = { flags: FAULT_ID_VALID | PASID, dev_id: state.oneOf(idevs), pt_id: ioas }
  addHwpt(state, fields, 'paging', false, ioas)
  for (const id of stdevs) {
    state.push(state.test('MOCK_DOMAIN_REPLACE', { id, pt_id: state.oneOf(compatible(state)) }))
  }
}

/** Dirty pages are followed from the start. */
export function prepareDirty(state: FuzzState): void {
  const { ioases, idevs, stdevs } = idsOf(state.context)
  const ioas = state.oneOf(ioases)
  addHwpt(state, { flags: DIRTY_TRACKING, dev_id: state.oneOf(idevs), pt_id: ioas }, 'paging', false, ioas)
  const hwpt_id = state.context?.hwpts.at(-1)?.id ?? 0n
  state.push(state.ioctl('IOMMU_HWPT_SET_DIRTY_TRACKING', { hwpt_id, flags: 1n }))
  state.push(state.test('MOCK_DOMAIN_REPLACE', { id: state.oneOf(stdevs), pt_id: hwpt_id }))
  state.context?.dirtyHwpts.push(hwpt_id)
}

/** What nesting begins with: a parent and a vIOMMU's place. */
export function prepareParent(state: FuzzState): void {
  const { ioases, idevs } = idsOf(state.context)
  const ioas = state.oneOf(ioases)
  addHwpt(state, { flags: NEST_PARENT, dev_id: state.oneOf(idevs), pt_id: ioas }, 'paging', true, ioas)
}

export function pasidAttach(state: FuzzState): void {
  const { stdevs } = idsOf(state.context)
  const pt_id = state.random.below(5) > 0 ? state.oneOf(compatible(state)) : pageTable(state)
  state.push(state.test('PASID_ATTACH', { id: state.oneOf(stdevs), pasid: pasidOf(state), pt_id }))
}

export function pasidReplace(state: FuzzState): void {
  const { stdevs } = idsOf(state.context)
  const pt_id = state.random.below(5) > 0 ? state.oneOf(compatible(state)) : pageTable(state)
  state.push(state.test('PASID_REPLACE', { id: state.oneOf(stdevs), pasid: pasidOf(state), pt_id }))
}

export function pasidDetach(state: FuzzState): void {
  const { stdevs } = idsOf(state.context)
  state.push(state.test('PASID_DETACH', { id: state.oneOf(stdevs), pasid: pasidOf(state) }))
}

export function pasidCheck(state: FuzzState): void {
  const { stdevs, hwpts } = idsOf(state.context)
  const hwpt_id = state.random.oneIn(4) ? 0n : state.oneOf(hwpts)
  state.push(state.test('PASID_CHECK_HWPT', { id: state.oneOf(stdevs), pasid: pasidOf(state), hwpt_id }))
}

/** Any object; devices lose their PASIDs first. */
export function destroy(state: FuzzState): void {
  const { random, context } = state
  const { ioases, hwpts, stdevs, idevs } = idsOf(context)
  const list = random.weighted<readonly Value[]>([
    [4, ioases],
    [6, hwpts],
    [2, stdevs],
    [0.5, idevs],
    [3, context?.queues.map(({ id }) => id) ?? []],
    [2, context?.viommus.map(({ id }) => id) ?? []],
    [2, context?.vdevices ?? []],
    [2, context?.eventQueues.map(({ id }) => id) ?? []],
    [2, context?.hwQueues ?? []],
  ])
  const id = random.oneIn(12) || list.length === 0 ? BigInt(random.below(16)) : random.pick(list)
  state.push(...state.detachPasids([id]), state.ioctl('IOMMU_DESTROY', { id }))
  if (context !== undefined && random.below(4) > 0) forget(context, id)
}

/** Later operations rarely use what is probably gone. */
function forget(context: ContextState, id: Value): void {
  remove(context.ioases, (one) => one === id)
  remove(context.hwpts, (one) => one.id === id)
  remove(context.devices, (one) => one.stdev === id)
  remove(context.viommus, (one) => one.id === id)
  remove(context.vdevices, (one) => one === id)
  remove(context.hwQueues, (one) => one === id)
}

function remove<T>(list: T[], isIt: (one: T) => boolean): void {
  const index = list.findIndex(isIt)
  if (index > 0) list.splice(index, 1)
}

export function setDirtyTracking(state: FuzzState): void {
  const { hwpts } = idsOf(state.context)
  const flags = state.random.oneIn(20) ? BigInt(state.random.below(4)) : BigInt(state.random.below(2))
  const hwpt_id = state.random.oneIn(2) ? dirtyHwpt(state) : state.oneOf(hwpts)
  state.push(state.ioctl('IOMMU_HWPT_SET_DIRTY_TRACKING', { hwpt_id, flags }))
}

function dirtyRange(state: FuzzState): { iova: Value; length: bigint; page_size: bigint } {
  const page_size = state.random.weighted([
    [6, 2048n],
    [6, 4096n],
    [1, 8192n],
    [1, state.random.pick(HOSTILE_NUMBERS)],
  ])
  const mappings = state.context?.mappings ?? []
  const mapping = mappings[state.random.below(mappings.length)]
  const length = BigInt(0x1000 * (1 + state.random.below(8)))
  if (mapping === undefined || state.random.oneIn(4)) return { iova: state.iova(), length, page_size }
  return { iova: mapping.iova, length: state.random.oneIn(3) ? length : mapping.length, page_size }
}

function dirtyHwpt(state: FuzzState): Value {
  const { hwpts } = idsOf(state.context)
  const tracking = state.context?.dirtyHwpts ?? []
  return tracking.length > 0 && state.random.below(5) > 0 ? state.random.pick(tracking) : state.oneOf(hwpts)
}

export function setDirty(state: FuzzState): void {
  const bits = [BigInt(state.random.word()), BigInt(state.random.word())]
  const fields = { id: dirtyHwpt(state), ...dirtyRange(state), uptr: { u32: bits } }
  state.push(state.test('DIRTY', fields))
}

export function getDirty(state: FuzzState): void {
  const flags = BigInt(state.random.below(2))
  const fields = { hwpt_id: dirtyHwpt(state), flags, ...dirtyRange(state), data: { zero: 16n } }
  state.push(state.ioctl('IOMMU_HWPT_GET_DIRTY_BITMAP', fields))
}

export function hwInfo(state: FuzzState): void {
  const { random } = state
  const { idevs } = idsOf(state.context)
  const data_len = BigInt(random.pick([0, 4, 8, 8, 16]))
  const input = random.oneIn(3) ? { flags: 1n, in_data_type: random.pick([0n, 0xfeedbeefn, 1n]) } : {}
  const fields = {
    dev_id: state.oneOf(idevs),
    data_len,
    data_uptr: { fill: [0xaan, 24n] as [bigint, bigint] },
    ...input,
  }
  state.push(state.ioctl('IOMMU_GET_HW_INFO', fields))
}
