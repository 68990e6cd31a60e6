// SPDX-License-Identifier: MIT
/** Files of the host that stand for ours in a program. */
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ENFILE } from '../../base/errno.ts'
import { OpenFile, POLL_IN } from '../../iommufd/files.ts'
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'
import type { FileRegistry, HeldFile } from './file-registry.ts'

/** Tokens in a FIFO: far below its room, so that writing to it never waits and it always polls writeable. */
const TOKENS_MAX = 4096

/** Stand-ins for files that are only used by calls that come to us: memory of their own. */
export class DeviceStandIns {
  readonly #system: System
  readonly #registry: FileRegistry
  /** Own descriptor of each one's memory. */
  readonly #memories: Map<OpenFile, number> = new Map()
  /** Called before a file is released: no program has or shows it any more. */
  readonly onRelease: ((file: OpenFile) => void)[] = []

  constructor(system: System, registry: FileRegistry) {
    this.#system = system
    this.#registry = registry
  }

  get memories(): ReadonlyMap<OpenFile, number> {
    return this.#memories
  }

  /** Gives the descriptor. */
  create(file: OpenFile): number {
    const system = this.#system
    const memory = opened(system.createMemoryFile('iommufd'))
    const fd = opened(system.open(0, `/proc/self/fd/${memory}`, file.flags | O_CLOEXEC), memory)
    this.#memories.set(file, memory)
    this.#registry.add(fd, {
      file,
      released: () => {
        for (const tell of this.onRelease) tell(file)
        this.#memories.delete(file)
        closeSync(memory)
        file.put()
      },
    })
    return fd
  }
}

/** Calls back when a wake-up has reached who waits: at once, or after a delay. */
export type Wake = (arrived: () => void) => void

interface QueueStandInOptions {
  readonly system: System
  readonly file: OpenFile
  readonly own: number
  readonly token: number
  readonly wake: Wake
}

/**
 * A stand-in for a file that is polled: an unnamed FIFO that holds a byte for each wake-up since it was last empty, so
 * that poll, select and epoll, level and edge, are the kernel's own.
 */
export class QueueStandIn implements HeldFile {
  readonly file: OpenFile
  readonly #system: System
  readonly #own: number
  readonly #token: number
  #tokens = 0
  /** Wake-ups that are still under way. */
  #coming = 0
  /** Wake-ups that the program has not been told of. */
  #wakes = 0

  /** `token`: place in the arena of TOKENS_MAX bytes. */
  constructor(options: QueueStandInOptions) {
    const { system, file, own, token, wake } = options
    this.file = file
    this.#system = system
    this.#own = own
    this.#token = token
    file.onWake(() => {
      this.#coming++
      wake(() => {
        this.#coming--
        this.#wakes++
      })
    })
  }

  static allocateTokens(system: System): number {
    return system.arena.allocate(TOKENS_MAX)
  }

  /** The FIFO says what the file is: readable or not. Each wake-up since the last time is an edge. */
  synchronize(): void {
    const readable = (this.file.poll() & POLL_IN) !== 0
    const wakes = this.#wakes
    this.#wakes = 0
    if (!readable) {
      if (this.#tokens > 0) this.#take(TOKENS_MAX)
      this.#tokens = 0
    } else if (wakes > 0 || (this.#tokens === 0 && this.#coming === 0)) this.#put(Math.max(wakes, 1))
  }

  released(): void {
    closeSync(this.#own)
    this.file.put()
  }

  #put(count: number): void {
    const added = Math.min(count, TOKENS_MAX - 1)
    const over = this.#tokens + added - TOKENS_MAX
    if (over > 0) this.#take(over)
    this.#system.write(this.#own, this.#token, added)
    this.#tokens = Math.min(this.#tokens + added, TOKENS_MAX)
  }

  #take(count: number): void {
    this.#system.read(this.#own, this.#token, count)
  }
}

/** Makes queue stand-ins in a folder that nobody else sees. */
export class QueueStandIns {
  readonly #system: System
  readonly #registry: FileRegistry
  readonly #token: number
  readonly #wake: Wake
  /** Called before a file is released. */
  onRelease: ((file: OpenFile) => void) | undefined = undefined
  readonly #open: Set<QueueStandIn> = new Set()

  constructor(system: System, registry: FileRegistry, wake: Wake) {
    this.#system = system
    this.#registry = registry
    this.#wake = wake
    this.#token = QueueStandIn.allocateTokens(system)
  }

  /** Gives the descriptor. */
  create(file: OpenFile): number {
    const system = this.#system
    const folder = mkdtempSync(join(tmpdir(), 'iopf-'))
    const path = join(folder, 'queue')
    system.makeFifo(path)
    const mode = file.write === OpenFile.prototype.write ? O_RDONLY : O_RDWR
    const own = system.open(0, path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    const fd = own < 0 ? own : system.open(0, path, mode | O_CLOEXEC)
    rmSync(folder, { recursive: true })
    opened(own)
    opened(fd, own)
    const standIn = new QueueStandIn({ system, file, own, token: this.#token, wake: this.#wake })
    this.#open.add(standIn)
    this.#registry.add(fd, {
      file,
      released: () => {
        this.onRelease?.(file)
        this.#open.delete(standIn)
        standIn.released()
      },
    })
    return fd
  }

  synchronize(): void {
    for (const standIn of this.#open) standIn.synchronize()
  }
}

/** The descriptor. ENFILE: there is none any more; `other` is closed then. */
function opened(fd: number, other?: number): number {
  if (fd >= 0) return fd
  if (other !== undefined) closeSync(other)
  throw ENFILE
}
