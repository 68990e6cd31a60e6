// SPDX-License-Identifier: MIT
/** What a process has mapped, as /proc/PID/maps tells. */
import { closeSync, readFileSync } from 'node:fs'
import { PAGE_BYTES, toNumber } from '../../base/u64.ts'
import { ENOENT } from '../sys/numbers.ts'
import { type System, setNumber } from '../sys/system.ts'
import { deviceNumber } from './stat-structs.ts'

const PROCMAP_QUERY = 0xc0686611
const QUERY_BYTES = 104
const READABLE = 1
const WRITABLE = 2
const SHARED = 8

/** One area of memory. */
export interface Mapping {
  readonly start: number
  /** Behind the last byte. */
  readonly end: number
  readonly readable: boolean
  readonly writable: boolean
  /** What is written to it others see who map the same. */
  readonly shared: boolean
  /** Bytes of a page; 4096 where the kernel does not tell. */
  readonly pageBytes: number
  /** Of the file behind it: offset of the first byte, device as stat(2) gives it, inode (0: no file). */
  readonly offset: number
  readonly device: number
  readonly inode: number
}

/** Number of the call that is served. */
export interface CallCounter {
  served: number
}

export interface MappingsPorts {
  readonly query: number
  readonly calls: CallCounter
}

/** Looks up mappings through an open /proc/PID/maps, which belongs to one address space for ever. */
export class Mappings {
  readonly #system: System
  readonly #fd: number
  readonly #path: string
  readonly #query: number
  #last: Mapping | undefined = undefined
  #lastFile: Mapping | undefined = undefined
  readonly #calls: CallCounter
  #shared: readonly Mapping[] = []
  /** The call during which `#shared` was looked up. */
  #sharedAt = -1
  /** The call during which `#lastFile` was looked at. */
  #checkedAt = -1
  /** Kernels before 6.11 only have the text. */
  #hasQuery = true

  /** `query`: place in the arena, shared by all. */
  constructor(system: System, fd: number, path: string, { query, calls }: MappingsPorts) {
    this.#system = system
    this.#calls = calls
    this.#fd = fd
    this.#path = path
    this.#query = query
  }

  static allocateQuery(system: System): number {
    return system.arena.allocate(QUERY_BYTES)
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
  }

  /** The program has run since: what was found may be gone. */
  forget(): void {
    this.#last = undefined
  }

  /** The mapping that holds the address. */
  find(address: number): Mapping | undefined {
    const last = this.#last
    if (last !== undefined && address >= last.start && address < last.end) return last
    const found = this.#hasQuery ? this.#ask(address) : this.#search(address)
    this.#last = found
    return found
  }

  /** Address at which the process shows a byte of a file to itself and others. */
  findFile(device: number, inode: number, offset: number): number | undefined {
    const known = this.#knownFile()
    if (known !== undefined && isAt(known, device, inode, offset)) return known.start + offset - known.offset
    for (const mapping of this.#sharedMappings()) {
      if (!isAt(mapping, device, inode, offset)) continue
      this.#lastFile = mapping
      this.#checkedAt = this.#calls.served
      return mapping.start + offset - mapping.offset
    }
    return undefined
  }

  /** The mapping that was found last; looked at again once a call. */
  #knownFile(): Mapping | undefined {
    const last = this.#lastFile
    if (last === undefined || this.#checkedAt === this.#calls.served) return last
    this.#checkedAt = this.#calls.served
    const now = this.#hasQuery ? this.#ask(last.start) : undefined
    this.#lastFile = now?.shared === true && now.start === last.start ? now : undefined
    return this.#lastFile
  }

  /** Looked up once a call, whoever's call it is. */
  #sharedMappings(): readonly Mapping[] {
    if (this.#sharedAt !== this.#calls.served) {
      this.#sharedAt = this.#calls.served
      this.#shared = [...mappingsIn(readText(this.#path))].filter(({ shared }) => shared)
    }
    return this.#shared
  }

  #ask(address: number): Mapping | undefined {
    const { bytes, view } = this.#system.arena
    const at = this.#query
    bytes.fill(0, at, at + QUERY_BYTES)
    view.setUint32(at, QUERY_BYTES, true)
    setNumber(view, at + 16, address)
    const result = this.#system.ioctl(this.#fd, PROCMAP_QUERY, at)
    if (result === -ENOENT) return undefined
    if (result < 0) {
      this.#hasQuery = false
      return this.#search(address)
    }
    const flags = view.getUint32(at + 40, true)
    return {
      start: numberAt(view, at + 24),
      end: numberAt(view, at + 32),
      readable: (flags & READABLE) !== 0,
      writable: (flags & WRITABLE) !== 0,
      shared: (flags & SHARED) !== 0,
      pageBytes: numberAt(view, at + 48),
      offset: numberAt(view, at + 56),
      inode: numberAt(view, at + 64),
      device: deviceNumber(view.getUint32(at + 72, true), view.getUint32(at + 76, true)),
    }
  }

  #search(address: number): Mapping | undefined {
    for (const mapping of mappingsIn(readText(this.#path)))
      if (address >= mapping.start && address < mapping.end) return mapping
    return undefined
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** `7f0000000000-7f0000001000 rw-p 00000000 00:01 1234 ...`: addresses, permissions, offset, device, inode. */
const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)/gm

export function* mappingsIn(text: string): Generator<Mapping> {
  for (const [
    ,
    first = '',
    last = '',
    permissions = '',
    offset = '',
    major = '',
    minor = '',
    inode,
  ] of text.matchAll(LINE)) {
    yield {
      start: Number.parseInt(first, 16),
      end: Number.parseInt(last, 16),
      readable: permissions[0] === 'r',
      writable: permissions[1] === 'w',
      shared: permissions[3] === 's',
      pageBytes: PAGE_BYTES,
      offset: Number.parseInt(offset, 16),
      device: deviceNumber(Number.parseInt(major, 16), Number.parseInt(minor, 16)),
      inode: Number(inode),
    }
  }
}

function isAt(mapping: Mapping, device: number, inode: number, offset: number): boolean {
  const { start, end } = mapping
  const at = offset - mapping.offset
  return mapping.device === device && mapping.inode === inode && at >= 0 && at < end - start
}

function numberAt(view: DataView, at: number): number {
  return toNumber(view.getInt32(at + 4, true), view.getInt32(at, true))
}
