// SPDX-License-Identifier: MIT
/** Cases that a program under `iopf run` answers otherwise, because what answers there is the host. */

const CONTEXT_FILE =
  'read, write and lseek of a descriptor that is no queue are those of the memfd that stands for it'
const ENDED = 'private memory of a process that has ended is gone: nothing on the host holds it'
const NOT_PINNED = 'private memory that is unmapped or discarded is gone: nothing on the host pins it'
const NUMBERS = 'the case relies on a descriptor having the same number in two processes'
const MAPPINGS =
  'mappings of a context are of the memfd that stands for it: private ones, and advice, are left to the host'
const OWNER = 'where iopf itself lacks CAP_SYS_RESOURCE, whoever runs it may do what it allows'
const HUGE = 'the host has another number of huge pages'

/** By the case's place below `conformance/cases`. */
export const KNOWN: ReadonlyMap<string, string> = new Map([
  ['abi/context-file-calls', CONTEXT_FILE],
  ['access/create', CONTEXT_FILE],
  ['context/descriptor-calls', CONTEXT_FILE],
  ['context/open-flags', CONTEXT_FILE],
  ['ioas/dmabuf-file-calls', CONTEXT_FILE],
  ['vfio/container', CONTEXT_FILE],
  ['abi/unknown-numbers', 'ioctls of another type are not trapped on low descriptors'],
  ['access/exit-with-pins', ENDED],
  ['attach/dead-owner', ENDED],
  ['process/dead-owner', ENDED],
  ['access/rw-pinned', NOT_PINNED],
  ['ioas/memory-replaced', NOT_PINNED],
  ['ioas/file-shrinks', 'pages that a file has lost are gone: nothing on the host pins them'],
  ['process/seals', 'a sealed file counts the pins of the kernel, which has none'],
  ['faults/t17-descriptors-travel', NUMBERS],
  ['context/options', OWNER],
  ['ioas/option-checks', OWNER],
  ['viommu/veventq-descriptors', 'an event queue stands for a FIFO that is open for reading only'],
  ['ioas/huge-none-left', HUGE],
  ['process/huge-page-outlives-its-mapping', HUGE],
  ['viommu/mmap', MAPPINGS],
  ['viommu/mmap-as-source', MAPPINGS],
  ['viommu/mmap-descriptor-modes', MAPPINGS],
])

export function knownReason(file: string): string | undefined {
  return KNOWN.get(file.replace(/^.*conformance\/cases\//, '').replace(/\.yaml$/, ''))
}
