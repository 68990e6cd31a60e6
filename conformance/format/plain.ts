// SPDX-License-Identifier: MIT
/** Operations that are a few numbers. */
import { CAPABILITIES, COUNTERS, LIMITS, PATHS } from '../program/program.ts'
import { ARGUMENT_NAMES } from './constants.ts'
import type { OperationDraft } from './draft.ts'
import type { OperationSpec, SpecOf, Value } from './schema.ts'

export type Plain = Exclude<
  OperationSpec,
  {
    kind:
      | 'ioctl'
      | 'test'
      | 'fork'
      | 'read'
      | 'pread'
      | 'write'
      | 'pwrite'
      | 'poke'
      | 'peek'
      | 'exit'
      | 'send'
  }
>

const indexIn = (list: readonly string[], name: string): bigint => BigInt(list.indexOf(name))

export function encodePlain(draft: OperationDraft, spec: Plain): string {
  const names = ARGUMENT_NAMES
  switch (spec.kind) {
    case 'open':
      draft.argument(indexIn(PATHS, spec.open))
      draft.argument(spec.flags ?? 'RDWR', names.openFlags)
      return `open ${spec.open}`
    case 'lseek':
      draft.argument(spec.lseek)
      draft.argument(spec.offset ?? 0n)
      draft.argument(spec.whence ?? 0n, names.whence)
      break
    case 'poll':
      draft.argument(spec.poll)
      draft.argument(spec.events ?? 'ALL', names.pollEvents)
      break
    case 'close':
      draft.argument(spec.close)
      break
    case 'dup':
      draft.argument(spec.dup)
      break
    case 'dup2':
      draft.argument(spec.dup2)
      draft.argument(spec.to)
      draft.argument(spec.flags ?? 0n, names.openFlags)
      break
    case 'fcntl':
      draft.argument(spec.fcntl)
      draft.argument(spec.command, names.fcntlCommand)
      draft.argument(spec.argument ?? 0n, names.fcntlArgument)
      break
    case 'ftruncate':
      draft.argument(spec.ftruncate)
      draft.argument(spec.length)
      break
    case 'limit':
      draft.argument(indexIn(LIMITS, spec.limit))
      draft.argument(spec.to)
      return `limit ${spec.limit}`
    case 'drop':
      draft.argument(indexIn(CAPABILITIES, spec.drop))
      return `drop ${spec.drop}`
    case 'counter':
      draft.argument(indexIn(COUNTERS, spec.counter))
      return spec.counter
    default:
      encodeMapping(draft, spec)
  }
  return spec.kind
}

function encodeMapping(
  draft: OperationDraft,
  spec: Extract<Plain, { kind: 'mmap' | 'munmap' | 'mprotect' | 'madvise' | 'memfd' }>,
): void {
  const names = ARGUMENT_NAMES
  switch (spec.kind) {
    case 'mmap':
      draft.argument(spec.mmap)
      draft.argument(spec.length)
      draft.argument(spec.prot ?? 'READ|WRITE', names.prot)
      draft.argument(fixedMapping(spec), names.mmapFlags)
      draft.argument(spec.fd ?? -1n)
      draft.argument(spec.offset ?? 0n)
      break
    case 'munmap':
      draft.argument(spec.munmap)
      draft.argument(spec.length)
      break
    case 'mprotect':
      draft.argument(spec.mprotect)
      draft.argument(spec.length)
      draft.argument(spec.prot, names.prot)
      break
    case 'madvise':
      draft.argument(spec.madvise)
      draft.argument(spec.length)
      draft.argument(spec.advice, names.advice)
      break
    case 'memfd':
      draft.argument(spec.memfd, names.memfdFlags)
      break
  }
}

/** Mappings are always at the address that they name. */
function fixedMapping({ flags, fd }: SpecOf<'mmap'>): Value {
  if (flags === undefined) return fd === undefined ? 'FIXED|PRIVATE|ANONYMOUS' : 'FIXED|SHARED'
  return typeof flags === 'bigint' ? flags | 0x10n : `FIXED|${flags}`
}
