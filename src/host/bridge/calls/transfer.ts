// SPDX-License-Identifier: MIT
/** read(2), write(2) and their vectors on files of ours. */
import { EBADF, EFAULT, EINVAL, EOPNOTSUPP, ESPIPE, isErrno } from '../../../base/errno.ts'
import { toNumber } from '../../../base/u64.ts'
import { OpenFile } from '../../../iommufd/files.ts'
import { MemoryBuffer, type UserBuffer } from '../../../iommufd/user-memory.ts'
import { O_ACCMODE } from '../../sys/numbers.ts'
import { ARCH_I386 } from '../filter.ts'
import type { Outcome, Ports } from './handler.ts'

/** Longest transfer: the kernel clamps longer ones. */
const BYTES_MAX = 0x7ffff000
/** End of user addresses with 4 levels of page tables, less the guard page. */
const USER_END = 0x7fff_ffff_f000
const VECTORS_MAX = 1024
const ANSWER_BYTES = 8
const VECTOR_BYTES = 16
const VECTOR_BYTES_I386 = 8
/** RWF_HIPRI: the only flag that a file without its own vector operation takes. */
const FLAG_HIGH_PRIORITY = 1

type Way = 'read' | 'write'

const O_WRONLY = 1
const O_RDONLY = 0

export function read(ports: Ports): Outcome {
  return single(ports, 'read')
}

export function write(ports: Ports): Outcome {
  return single(ports, 'write')
}

export function readv(ports: Ports): Outcome {
  return vector(ports, 'read')
}

export function writev(ports: Ports): Outcome {
  return vector(ports, 'write')
}

export function pread(ports: Ports): Outcome {
  return positioned(ports, 'read')
}

export function pwrite(ports: Ports): Outcome {
  return positioned(ports, 'write')
}

export function preadv2(ports: Ports): Outcome {
  return vectorAt(ports, 'read')
}

export function pwritev2(ports: Ports): Outcome {
  return vectorAt(ports, 'write')
}

function single(ports: Ports, way: Way): Outcome {
  const { listener } = ports
  const file = findFile(ports, way)
  if (file === undefined) return 'proceed'
  const [hi, lo] = [listener.argumentsHi, listener.argumentsLo]
  return transfer(ports, file, way, { hi: hi[1]!, lo: lo[1]!, bytes: toNumber(hi[2]!, lo[2]!) })
}

function positioned(ports: Ports, way: Way): Outcome {
  const { listener, threads } = ports
  const file = findFile(ports, way)
  if (file === undefined) return 'proceed'
  if (!file.positioned) throw ESPIPE
  const [hi, lo] = [listener.argumentsHi, listener.argumentsLo]
  const bytes = toNumber(hi[2]!, lo[2]!)
  if (toNumber(hi[1]!, lo[1]!) + bytes > USER_END) throw EFAULT
  const buffer = new MemoryBuffer(threads.program.memory, hi[1]!, lo[1]!, Math.min(bytes, BYTES_MAX))
  const offset = listener.argument(3)
  return way === 'read' ? file.pread(buffer, offset) : file.pwrite(buffer, offset)
}

/** An offset of -1 is the file's own, which ours have none of. */
function vectorAt(ports: Ports, way: Way): Outcome {
  const { listener } = ports
  const ownOffset = listener.arch === ARCH_I386 ? listener.int(4) === -1 : listener.argumentsHi[3] === -1
  const file = findFile(ports, way)
  if (file === undefined) return 'proceed'
  if (!ownOffset) throw ESPIPE
  if ((listener.int(5) & ~FLAG_HIGH_PRIORITY) !== 0) throw EOPNOTSUPP
  return vector(ports, way)
}

/** A segment after the other until one comes short. */
function vector(ports: Ports, way: Way): Outcome {
  const file = findFile(ports, way)
  if (file === undefined) return 'proceed'
  const segments = readSegments(ports)
  if (segments.every(({ bytes }) => bytes === 0)) return 0
  let done = 0
  for (const segment of segments) {
    try {
      const moved = transfer(ports, file, way, segment)
      done += moved
      if (moved !== segment.bytes) break
    } catch (thrown) {
      if (done === 0) throw thrown
      break
    }
  }
  return done
}

/** EBADF: not open for that. EINVAL: the file has no such operation. */
function findFile({ listener, threads }: Ports, way: Way): OpenFile | undefined {
  const file = threads.find(listener.tid, listener.int(0))
  if (file === undefined) return undefined
  if ((file.flags & O_ACCMODE) === (way === 'read' ? O_WRONLY : O_RDONLY)) throw EBADF
  if (file[way] === OpenFile.prototype[way]) throw EINVAL
  return file
}

interface Segment {
  readonly hi: number
  readonly lo: number
  readonly bytes: number
}

function transfer(ports: Ports, file: OpenFile, way: Way, segment: Segment): number {
  const { hi, lo, bytes } = segment
  if (toNumber(hi, lo) + bytes > USER_END) throw EFAULT
  const { memory } = ports.threads.program
  const buffer: UserBuffer = new MemoryBuffer(memory, hi, lo, Math.min(bytes, BYTES_MAX))
  if (ports.watch === undefined || file.positioned) return file[way](buffer)
  return watched(ports, file, way, segment, buffer)
}

/** The same, told to who looks on. */
function watched(ports: Ports, file: OpenFile, way: Way, segment: Segment, buffer: UserBuffer): number {
  let failure: unknown = undefined
  let result = 0
  try {
    result = file[way](buffer)
  } catch (thrown) {
    if (!isErrno(thrown)) throw thrown
    failure = thrown
    result = -thrown.errno
  }
  const { listener, threads, watch } = ports
  const { bytes } = segment
  const call = { file, way, bytes, result, pid: threads.program.tgid, fd: listener.int(0) }
  const isRefused = way === 'write' && result !== bytes && bytes % ANSWER_BYTES === 0
  const refused = isRefused ? answerAt(ports, segment, Math.max(result, 0)) : undefined
  watch?.afterQueueCall(refused === undefined ? call : { ...call, refused })
  if (failure !== undefined) throw failure
  return result
}

/** The answer at an offset of what was written; `undefined`: it cannot be read. */
function answerAt(
  { listener, system, scratch }: Ports,
  { hi, lo }: Segment,
  offset: number,
): { cookie: number; code: number } | undefined {
  const address = toNumber(hi, lo) + offset
  if (system.readProcess(listener.tid, address, scratch, ANSWER_BYTES) !== ANSWER_BYTES) return undefined
  const { view } = system.arena
  return { cookie: view.getUint32(scratch, true), code: view.getUint32(scratch + 4, true) }
}

/** The vector of the call. EINVAL: too many, or a negative length; EFAULT. */
function readSegments({ listener, threads }: Ports): Segment[] {
  const count = listener.argument(2)
  if (count > VECTORS_MAX) throw EINVAL
  const size = listener.arch === ARCH_I386 ? VECTOR_BYTES_I386 : VECTOR_BYTES
  const bytes = new Uint8Array(count * size)
  threads.program.memory.copyIn(listener.argumentsHi[1]!, listener.argumentsLo[1]!, bytes, 0, bytes.length)
  const view = new DataView(bytes.buffer)
  const segments: Segment[] = []
  let total = 0
  for (let at = 0; at < bytes.length; at += size) {
    const segment = size === VECTOR_BYTES ? wideSegment(view, at) : narrowSegment(view, at)
    if (segment.bytes >= 2 ** 63) throw EINVAL
    const left = BYTES_MAX - total
    segments.push({ ...segment, bytes: Math.min(segment.bytes, left) })
    total += Math.min(segment.bytes, left)
  }
  return segments
}

function wideSegment(view: DataView, at: number): Segment {
  const [lo, hi] = [view.getInt32(at, true), view.getInt32(at + 4, true)]
  return { hi, lo, bytes: toNumber(view.getInt32(at + 12, true), view.getInt32(at + 8, true)) }
}

function narrowSegment(view: DataView, at: number): Segment {
  return { hi: 0, lo: view.getInt32(at, true), bytes: view.getUint32(at + 4, true) }
}
