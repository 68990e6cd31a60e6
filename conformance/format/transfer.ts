// SPDX-License-Identifier: MIT
/** Reads, writes and the process's own memory. */
import { encodeData } from './data.ts'
import type { OperationDraft } from './draft.ts'
import { layoutNamed } from './layouts.ts'
import type { SpecOf } from './schema.ts'

/** A buffer that is read into holds this before. */
const READ_FILL = 0xaa
/** A buffer that is read into is looked at up to here. */
const READ_BYTES_MAX = 0x4000

export function encodeRead(draft: OperationDraft, spec: SpecOf<'read'> | SpecOf<'pread'>): string {
  const [fd, struct] = [spec.kind === 'read' ? spec.read : spec.pread, spec.struct ?? 'iommu_hwpt_pgfault']
  const count = typeof spec.count === 'bigint' ? Number(spec.count) : READ_BYTES_MAX
  const length = Math.max(0, Math.min(count, READ_BYTES_MAX))
  const label = { prefix: '', layout: layoutNamed(struct), isList: true }
  const buffer = draft.buffer(new Uint8Array(length).fill(READ_FILL), label, spec.at)
  draft.argument(fd)
  draft.argument(draft.addressOf(buffer))
  draft.argument(spec.count)
  if (spec.kind === 'pread') draft.argument(spec.offset)
  draft.inject(spec.fails)
  return spec.kind
}

export function encodeWrite(draft: OperationDraft, spec: SpecOf<'write'> | SpecOf<'pwrite'>): string {
  const struct = spec.struct ?? 'iommu_hwpt_page_response'
  const content = spec.bytes === undefined ? { struct, list: spec.records ?? [] } : { bytes: spec.bytes }
  const buffer = encodeData(draft, '', content, spec.at)
  draft.argument(spec.kind === 'write' ? spec.write : spec.pwrite)
  draft.argument(draft.addressOf(buffer))
  draft.argument(spec.count ?? BigInt(draft.lengthOf(buffer)))
  if (spec.kind === 'pwrite') draft.argument(spec.offset)
  draft.inject(spec.fails)
  return spec.kind
}

export function encodeMemory(draft: OperationDraft, spec: SpecOf<'poke'> | SpecOf<'peek'>): string {
  if (spec.kind === 'poke') {
    encodeData(draft, '', spec.data, spec.poke)
    return 'poke'
  }
  if (typeof spec.length !== 'bigint') throw new Error('the length of a peek is a number')
  const layout = spec.struct === undefined ? undefined : layoutNamed(spec.struct)
  draft.buffer(
    new Uint8Array(Number(spec.length)),
    { prefix: '', layout, isList: layout !== undefined },
    spec.peek,
  )
  return 'peek'
}
