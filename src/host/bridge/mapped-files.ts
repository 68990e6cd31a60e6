// SPDX-License-Identifier: MIT
import { fstatSync, ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { PAGE_BYTES } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { Caller, MappingOwner, MmapRequest, OpenFile } from '../../iommufd/files.ts'
import { mappingsIn } from './mappings.ts'
import type { DeviceStandIns } from './stand-ins.ts'

/** A mapping that a program was shown. */
interface Shown {
  readonly file: OpenFile
  readonly inode: number
  readonly firstPage: number
  readonly pages: number
  readonly owner: MappingOwner
}

/**
 * Memory of devices that programs map through our files. The stand-in gets the bytes that the device has at the first;
 * the mapping holds its object until it has left the program's memory.
 */
export class MappedFiles {
  readonly #memory: PhysicalMemory
  readonly #standIns: DeviceStandIns
  readonly #processes: () => Iterable<number>
  #shown: Shown[] = []

  /** `processes`: those that may map something. */
  constructor(memory: PhysicalMemory, standIns: DeviceStandIns, processes: () => Iterable<number>) {
    this.#processes = processes
    this.#memory = memory
    this.#standIns = standIns
    standIns.onRelease.push((file) => this.#letGo((shown) => shown.file === file))
  }

  /** Throws what the file's own mmap throws. */
  show(caller: Caller, file: OpenFile, request: MmapRequest): void {
    const { object, objectPage, owner } = file.mmap(caller, request)
    const fd = this.#standIns.memories.get(file)
    if (fd === undefined) return
    const { pages, firstPage } = request
    const { size, ino: inode } = fstatSync(fd)
    if (size < (firstPage + pages) * PAGE_BYTES) ftruncateSync(fd, (firstPage + pages) * PAGE_BYTES)
    if (!this.#shown.some((shown) => shown.inode === inode && shown.firstPage === firstPage)) {
      const bytes = new Uint8Array(PAGE_BYTES)
      for (let page = 0; page < pages; page++) {
        if (object.fault(objectPage + page) !== 0) break
        this.#memory.read(object.found, 0, bytes, 0, PAGE_BYTES)
        writeSync(fd, bytes, 0, PAGE_BYTES, (firstPage + page) * PAGE_BYTES)
      }
    }
    if (owner === undefined) return
    owner.get()
    this.#shown.push({ file, inode, firstPage, pages, owner })
  }

  /** Lets go of what programs have unmapped. Before anything that a mapping could forbid. */
  refresh(): void {
    if (this.#shown.length === 0) return
    const processes = [...this.#processes()]
    this.#letGo((shown) => !processes.some((tgid) => isMappedBy(tgid, shown)))
  }

  #letGo(isGone: (shown: Shown) => boolean): void {
    this.#shown = this.#shown.filter((shown) => {
      const gone = isGone(shown)
      if (gone) shown.owner.put()
      return !gone
    })
  }
}

/** Whether a process shows any page of the region. */
function isMappedBy(tgid: number, { inode, firstPage, pages }: Shown): boolean {
  for (const mapping of mappingsIn(readMaps(tgid))) {
    if (mapping.inode !== inode) continue
    const first = mapping.offset / PAGE_BYTES
    const end = first + (mapping.end - mapping.start) / PAGE_BYTES
    if (first < firstPage + pages && end > firstPage) return true
  }
  return false
}

function readMaps(tgid: number): string {
  try {
    return readFileSync(`/proc/${tgid}/maps`, 'utf8')
  } catch {
    return ''
  }
}
