// SPDX-License-Identifier: MIT
import { type Access, type FuzzState, shifted } from './state.ts'
import type { Value } from '../format/schema.ts'

export function createAccess(state: FuzzState): void {
  const { random } = state
  const name = state.name('access')
  const flags = state.oddly(30) ? BigInt(random.below(4)) : BigInt(random.oneIn(4) ? 0 : 1)
  const ioas = state.oneOf(state.context?.ioases ?? [])
  state.push(state.test('CREATE_ACCESS', { id: ioas, flags }, name))
  const fd = `$${name}.out_access_fd`
  state.context?.accesses.push({ fd, pins: flags === 1n, items: [], ioas })
  state.descriptors.push(fd)
}

function accessOf(state: FuzzState, pins = false): Access | undefined {
  const all = state.context?.accesses ?? []
  const accesses = pins && !state.oddly(4) ? all.filter((access) => access.pins) : all
  return accesses[state.random.below(accesses.length)]
}

/** A range that is probably mapped in the access's IOAS, and where its memory is. */
function target(state: FuzzState, access: Access): { iova: Value; length: bigint; address: bigint } {
  const { random } = state
  const mappings = (state.context?.mappings ?? []).filter(
    ({ ioas }) => ioas === access.ioas || random.oneIn(6),
  )
  const mapping = mappings[random.below(mappings.length)]
  if (mapping === undefined) return { iova: state.iova(), length: state.length(), address: state.address() }
  if (random.below(3) > 0) return mapping
  const by = BigInt(random.pick([0x1000, 0x1000, 0x800, 1]))
  return { iova: shifted(mapping.iova, by), length: state.length(), address: mapping.address + by }
}

export function pinPages(state: FuzzState): void {
  const { random } = state
  const access = accessOf(state, true)
  if (access === undefined) return
  const { iova, length, address } = target(state, access)
  const name = state.name('pin')
  const uptr = random.oneIn(3) ? { uptr: address } : {}
  const flags = state.oddly(40) ? BigInt(random.below(8)) : BigInt(random.below(2))
  state.push(state.test('ACCESS_PAGES', { id: access.fd, flags, iova, length, ...uptr }, name))
  access.items.push(`$${name}.out_access_pages_id`)
}

export function unpinPages(state: FuzzState): void {
  const access = accessOf(state)
  if (access === undefined) return
  const access_pages_id = state.oneOf(access.items)
  const index = access.items.indexOf(access_pages_id)
  if (index >= 0 && state.random.below(6) > 0) access.items.splice(index, 1)
  state.push(state.test('DESTROY_ACCESS_PAGES', { id: access.fd, access_pages_id }))
}

export function readWrite(state: FuzzState): void {
  const { random } = state
  const access = accessOf(state)
  if (access === undefined) return
  const { iova } = target(state, access)
  const length = random.oneIn(20) ? state.length() : BigInt(1 + random.below(64))
  const flags = state.oddly(40) ? BigInt(random.below(8)) : random.pick([0n, 1n, 4n, 5n])
  const bytes = Number(length < 64n ? length : 64n)
  const data = state.oddly(8)
    ? state.address()
    : { fill: [BigInt(random.below(256)), BigInt(bytes)] as [bigint, bigint] }
  const within = random.oneIn(2) ? shifted(iova, BigInt(random.below(0x1100))) : iova
  const size = typeof data === 'bigint' || length <= 64n ? length : 64n
  state.push(state.test('ACCESS_RW', { id: access.fd, iova: within, length: size, flags, uptr: data }))
}

export function replaceIoas(state: FuzzState): void {
  const access = accessOf(state)
  if (access === undefined) return
  const ioas_id = state.oneOf(state.context?.ioases ?? [])
  state.push(state.test('ACCESS_REPLACE_IOAS', { id: access.fd, ioas_id }))
}

export function closeAccess(state: FuzzState): void {
  const access = accessOf(state)
  if (access !== undefined) state.push({ kind: 'close', close: access.fd, ...state.where() })
}

export function getDmabuf(state: FuzzState): void {
  const { random } = state
  const name = state.name('dmabuf')
  const length = random.oneIn(12)
    ? random.pick([0n, 1n, 0x1001n, 0x200000n, 0x200001n])
    : BigInt(0x1000 * (1 + random.below(8)))
  state.push(state.test('DMABUF_GET', { length, open_flags: 0x80000n }, name))
  state.dmabufs.push({ fd: `$${name}`, process: state.process })
  state.descriptors.push(`$${name}`)
}

export function revokeDmabuf(state: FuzzState): void {
  const { random } = state
  const dmabuf_fd = state.oneOf(random.oneIn(20) ? state.descriptors : state.own(state.dmabufs))
  state.push(state.test('DMABUF_REVOKE', { dmabuf_fd, revoked: BigInt(random.below(2)) }))
}
