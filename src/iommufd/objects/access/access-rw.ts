// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, EOVERFLOW, EPERM } from '../../../base/errno.ts'
import { PAGE_BYTES, toNumber } from '../../../base/u64.ts'
import { IOMMU_READ, IOMMU_WRITE } from '../../../kernel/iommu/domain.ts'
import type { Caller } from '../../files.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import type { Pages } from '../ioas/pages.ts'
import { Sum } from '../ioas/span.ts'
import { Stretch } from '../ioas/stretch.ts'
import { ACCESS_RW_SLOW_PATH, ACCESS_RW_WRITE } from './access-flags.ts'

/** What is read or written, and where. */
export interface RwRange {
  readonly hi: number
  readonly lo: number
  readonly bytes: Uint8Array
}

/** Bytes of a pages object. */
interface RwPart {
  readonly pages: Pages
  /** Page, and the byte in it. */
  readonly index: number
  readonly offset: number
  /** Those of `bytes` from `at` on. */
  readonly bytes: Uint8Array
  readonly at: number
  readonly length: number
}

const last = new Sum()
const length = new Sum()
const address = new Sum()

/** Linux's iommufd_access_rw, area by area (`spec/02` §4). */
export function rwRange(
  ioas: IoasObject | undefined,
  range: RwRange,
  flags: number,
  caller: Caller | undefined,
): void {
  const { hi, lo, bytes } = range
  if (bytes.length === 0) throw EINVAL
  last.addLength(hi, lo, 0, bytes.length | 0)
  if (last.overflow) throw EOVERFLOW
  if (ioas === undefined) throw ENOENT
  let at = 0
  const stretch = new Stretch(ioas.areas, hi, lo, last.hi, last.lo)
  for (; stretch.area !== undefined; stretch.next()) {
    checkArea(stretch, flags)
    const part = partOf(stretch, bytes, at)
    rwPart(part, flags, caller)
    at += part.length
  }
  if (!stretch.complete) throw ENOENT
}

function checkArea(stretch: Stretch, flags: number): void {
  const area = stretch.area!
  if (area.preventAccess) throw EINVAL
  const needed = (flags & ACCESS_RW_WRITE) === 0 ? IOMMU_READ : IOMMU_WRITE
  if ((area.access & needed) === 0) throw EPERM
}

function partOf(stretch: Stretch, bytes: Uint8Array, at: number): RwPart {
  const area = stretch.area!
  const { hi, lo } = stretch
  length.subtract(stretch.lastHi, stretch.lastLo, hi, lo)
  return {
    pages: area.pages,
    index: area.pageIndexOf(hi, lo),
    offset: area.pageOffsetOf(lo),
    bytes,
    at,
    length: toNumber(length.hi, length.lo) + 1,
  }
}

/**
 * The process that mapped copies directly, so that only what the copy needs must be permitted. Everybody else, and a
 * file's memory, goes page by page. EINVAL: a dma-buf.
 */
function rwPart(part: RwPart, flags: number, caller: Caller | undefined): void {
  const { pages } = part
  if (pages.buffer !== undefined) throw EINVAL
  if (pages.file !== undefined) return rwPages(part, flags)
  const own = caller === undefined ? pages.mm!.alive : caller.mm === pages.mm
  if (own && (flags & ACCESS_RW_SLOW_PATH) === 0) rwDirectly(part, flags)
  else if (part.offset + part.length <= PAGE_BYTES && pages.mm!.alive) rwOnePage(part, flags)
  else rwPages(part, flags)
}

function rwDirectly(part: RwPart, flags: number): void {
  const { hi, lo } = addressOf(part)
  const { bytes, at, length: count } = part
  const mm = part.pages.mm!
  if ((flags & ACCESS_RW_WRITE) === 0) mm.copyIn(hi, lo, bytes, at, count)
  else mm.copyOut(hi, lo, bytes, at, count)
}

/** Of its first byte, in the memory of who mapped. */
function addressOf({ pages, index, offset }: RwPart): Sum {
  address.add(pages.hi, pages.lo, Math.floor(index / 1048576) | 0, ((index * PAGE_BYTES) % 4294967296) | 0)
  address.add(address.hi, address.lo, 0, offset)
  return address
}

/**
 * What lies in one page is pinned for just this access, whatever else holds the page; the memory of a process that has
 * exited only has the pages that are pinned already: observed on 7.2.13.
 */
function rwOnePage(part: RwPart, flags: number): void {
  const { hi, lo } = addressOf(part)
  const mm = part.pages.mm!
  const writes = (flags & ACCESS_RW_WRITE) !== 0
  const frame = mm.pin(hi, lo & ~(PAGE_BYTES - 1), writes)
  moveBytes(part, Int32Array.of(frame), flags)
  mm.unpinPage(frame, writes)
}

/** All pages are pinned, as for a device and without a charge, before the first byte moves. */
function rwPages(part: RwPart, flags: number): void {
  const { pages, index, offset } = part
  const count = Math.ceil((offset + part.length) / PAGE_BYTES)
  const frames = new Int32Array(count)
  /** Pages that are not pinned otherwise. */
  const own: number[] = []
  try {
    for (let i = 0; i < count; i++) {
      const frame = pages.findFrame(index + i)
      frames[i] = frame ?? pages.pinPage(index + i)
      if (frame === undefined) own.push(frames[i]!)
    }
    moveBytes(part, frames, flags)
  } finally {
    for (const frame of own) pages.unpinFrame(frame)
  }
}

function moveBytes(
  { pages, offset, bytes, at, length: count }: RwPart,
  frames: Int32Array,
  flags: number,
): void {
  const mm = pages.mm!
  let done = 0
  for (const frame of frames) {
    const inPage = (offset + done) % PAGE_BYTES
    const step = Math.min(PAGE_BYTES - inPage, count - done)
    if ((flags & ACCESS_RW_WRITE) === 0) mm.readFrame(frame, inPage, bytes, at + done, step)
    else mm.writeFrame(frame, inPage, bytes, at + done, step)
    done += step
  }
}
