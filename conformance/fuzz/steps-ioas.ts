// SPDX-License-Identifier: MIT
import type { FieldValue, Value } from '../format/schema.ts'
import { type FuzzState, HOSTILE_NUMBERS, shifted } from './state.ts'

const FIXED = 1n

export function allocIoas(state: FuzzState): void {
  const name = state.name('ioas')
  state.push(state.ioctl('IOMMU_IOAS_ALLOC', {}, name))
  state.context?.ioases.push(`$${name}.out_ioas_id`)
}

function ioasOf(state: FuzzState): Value {
  return state.oneOf(state.context?.ioases ?? [])
}

function mapFlags(state: FuzzState): bigint {
  return state.random.weighted([
    [24, 7n],
    [8, 6n],
    [6, 5n],
    [2, 4n],
    [2, 3n],
    [state.oddly(1) ? 1 : 0, BigInt(state.random.below(16))],
  ])
}

function newIova(state: FuzzState): Value {
  return state.random.oneIn(6) ? state.iova() : state.freshIova()
}

export function map(state: FuzzState): void {
  const [ioas, flags, address] = [ioasOf(state), mapFlags(state), state.address()]
  const length = state.lengthAt(address)
  const name = state.name('map')
  const fixed = (flags & FIXED) !== 0n
  const iova = fixed ? newIova(state) : 0n
  const fields = { flags, ioas_id: ioas, user_va: address, length, ...(fixed ? { iova } : {}) }
  state.push(state.ioctl('IOMMU_IOAS_MAP', fields, name))
  state.context?.mappings.push({ ioas, iova: fixed ? iova : `$${name}.iova`, length, address })
}

/** Closed ones. A context that maps a file of its own is never released, in the kernel neither. */
const NO_FILES: readonly bigint[] = [900n, 0xffff_ffffn]

export function mapFile(state: FuzzState): void {
  const { random } = state
  const files = random.oneIn(3) ? state.own(state.dmabufs) : state.own(state.memfds)
  const [ioas, flags, length] = [ioasOf(state), mapFlags(state), state.lengthAt(0n)]
  const name = state.name('map')
  const fixed = (flags & FIXED) !== 0n
  const iova = fixed ? newIova(state) : 0n
  const start = random.weighted([
    [10, BigInt(0x1000 * random.below(6))],
    [2, 0x800n],
    [1, random.pick(HOSTILE_NUMBERS)],
  ])
  const fd = files.length === 0 || state.oddly(10) ? random.pick(NO_FILES) : random.pick(files)
  const fields = { flags, ioas_id: ioas, fd, start, length, ...(fixed ? { iova } : {}) }
  state.push(state.ioctl('IOMMU_IOAS_MAP_FILE', fields, name))
  state.context?.mappings.push({ ioas, iova: fixed ? iova : `$${name}.iova`, length, address: 0n })
}

export function copy(state: FuzzState): void {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const source = mappings.length > 0 ? random.pick(mappings) : undefined
  const flags = mapFlags(state)
  const length = source === undefined || random.oneIn(3) ? state.length() : source.length
  const dst = ioasOf(state)
  const fixed = (flags & FIXED) !== 0n
  const iova = fixed ? newIova(state) : 0n
  const name = state.name('map')
  const fields = {
    flags,
    dst_ioas_id: dst,
    src_ioas_id: source?.ioas ?? ioasOf(state),
    length,
    src_iova: source?.iova ?? state.iova(),
    ...(fixed ? { dst_iova: iova } : {}),
  }
  state.push(state.ioctl('IOMMU_IOAS_COPY', fields, name))
  const address = source?.address ?? 0n
  state.context?.mappings.push({ ioas: dst, iova: fixed ? iova : `$${name}.dst_iova`, length, address })
}

export function unmap(state: FuzzState): void {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const fields = random.weighted<() => Record<string, FieldValue>>([
    [16, () => exactUnmap(state)],
    [4, () => ({ ioas_id: ioasOf(state), iova: state.iova(), length: state.length() })],
    [1, () => ({ ioas_id: ioasOf(state), iova: 0n, length: 0xffff_ffff_ffff_ffffn })],
    [2, () => ({ ioas_id: ioasOf(state), iova: 0x1000000n, length: 0x20000n })],
  ])
  state.push(state.ioctl('IOMMU_IOAS_UNMAP', fields()))
  if (mappings.length > 40) mappings.splice(0, 20)
}

function exactUnmap(state: FuzzState): Record<string, FieldValue> {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const mapping = mappings[random.below(mappings.length)]
  if (mapping === undefined) return { ioas_id: ioasOf(state), iova: state.iova(), length: state.length() }
  const { ioas, iova, length } = mapping
  if (random.below(5) > 0) mappings.splice(mappings.indexOf(mapping), 1)
  if (random.oneIn(8)) return { ioas_id: ioas, iova: shifted(iova, 0x1000n), length }
  return { ioas_id: ioas, iova, length }
}

export function ranges(state: FuzzState): void {
  const count = state.random.below(6)
  const allowed_iovas = { struct: 'iommu_iova_range', list: Array.from({ length: count }, () => ({})) }
  const num_iovas = state.random.oneIn(10) ? BigInt(state.random.below(9)) : BigInt(count)
  state.push(state.ioctl('IOMMU_IOAS_IOVA_RANGES', { ioas_id: ioasOf(state), num_iovas, allowed_iovas }))
}

export function allow(state: FuzzState): void {
  const { random } = state
  const count = random.below(4)
  const list = Array.from({ length: count }, () => {
    const start = BigInt(0x1000 * random.below(0x4000))
    const last = start + BigInt(0x1000 * random.below(0x1000)) - (random.oneIn(8) ? 0n : 1n)
    return { start, last: BigInt.asUintN(64, last) }
  })
  const num_iovas = random.oneIn(10) ? BigInt(random.below(9)) : BigInt(count)
  const allowed_iovas = { struct: 'iommu_iova_range', list }
  state.push(state.ioctl('IOMMU_IOAS_ALLOW_IOVAS', { ioas_id: ioasOf(state), num_iovas, allowed_iovas }))
}

export function reserve(state: FuzzState): void {
  const { random } = state
  const start = random.oneIn(3)
    ? BigInt(0x1000 * random.below(64))
    : 0x1000000n + BigInt(0x800 * random.below(96))
  state.push(state.test('ADD_RESERVED', { id: ioasOf(state), start, length: state.length() }))
}

export function option(state: FuzzState): void {
  const { random } = state
  const fields = random.weighted<Record<string, FieldValue>>([
    [6, { option_id: 1n, op: 0n, object_id: ioasOf(state), val64: BigInt(random.below(2)) }],
    [3, { option_id: 1n, op: 1n, object_id: ioasOf(state) }],
    [2, { option_id: 0n, op: 0n, val64: BigInt(random.below(3)) }],
    [1, { option_id: 0n, op: 1n }],
    [
      1,
      { option_id: BigInt(random.below(3)), op: BigInt(random.below(3)), object_id: BigInt(random.below(3)) },
    ],
  ])
  state.push(state.ioctl('IOMMU_OPTION', fields))
}

export function changeProcess(state: FuzzState): void {
  state.push(state.ioctl('IOMMU_IOAS_CHANGE_PROCESS'))
}

/** The mappings as the device would see them. */
export function checkMap(state: FuzzState): void {
  const { random } = state
  const mappings = state.context?.mappings ?? []
  const mapping = mappings[random.below(mappings.length)]
  const hwpts = (state.context?.hwpts ?? []).map(({ id }) => id)
  const fields =
    mapping === undefined || random.oneIn(6)
      ? { iova: state.iova(), length: state.length(), uptr: state.address() }
      : { iova: mapping.iova, length: mapping.length, uptr: mapping.address }
  state.push(state.test('MD_CHECK_MAP', { id: state.oneOf(hwpts), ...fields }))
}

export function checkRefs(state: FuzzState): void {
  const { random } = state
  const page = state.address() & ~0xfffn
  const refs = BigInt(random.below(3))
  state.push(
    state.test('MD_CHECK_REFS', { length: BigInt(0x1000 * (1 + random.below(3))), uptr: page, refs }),
  )
}
