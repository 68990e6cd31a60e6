// SPDX-License-Identifier: MIT
import { closeSync } from 'node:fs'
import { isErrno } from '../../base/errno.ts'
import { ContextFile } from '../../iommufd/context-file.ts'
import type { OpenFile } from '../../iommufd/files.ts'
import type { Machine } from '../../machine/machine.ts'
import { POLLHUP, POLLIN } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'
import type { Outcome, Ports } from './calls/handler.ts'
import { handlerOf } from './calls/table.ts'
import { FileRegistry } from './file-registry.ts'
import { FolderStandIns } from './folder-stand-ins.ts'
import { MappedFiles } from './mapped-files.ts'
import { deviceNode, IOMMU_NODE, type Node, NodeTree, VFIO_NODE } from './node-tree.ts'
import { Nodes } from './nodes.ts'
import type { CallCounter } from './mappings.ts'
import { Listener } from './notifications.ts'
import { PinnedPages } from './pinned-pages.ts'
import { ProgramPaths } from './program-paths.ts'
import { allocateCopySpace } from './remote-memory.ts'
import type { ReservedRange } from './reserved-range.ts'
import { SharedObjects } from './shared-objects.ts'
import { DeviceStandIns, QueueStandIns, type Wake } from './stand-ins.ts'
import { Threads } from './threads.ts'
import type { ProtocolWatch } from './watch/protocol-watch.ts'

const PAGE_BYTES = 4096

/** Steps of the machine between two looks at what programs want. */
const STEPS_MAX = 256

export interface BridgeOptions {
  readonly system: System
  readonly machine: Machine
  /** Descriptor of the filter's listener. */
  readonly listener: number
  readonly reserved: ReservedRange
  readonly watch?: ProtocolWatch | undefined
  /** Default: at once. */
  readonly wake?: Wake
}

/** What was served. */
export interface BridgeCounts {
  readonly calls: number
  readonly proceeded: number
}

/** A machine whose /dev/iommu the programs behind a filter open. One call at a time, the machine's steps between them. */
export class Bridge {
  readonly machine: Machine
  readonly registry: FileRegistry
  readonly pages: PinnedPages
  readonly #system: System
  readonly #listener: Listener
  readonly #queues: QueueStandIns
  readonly #ports: Ports
  readonly #watch: ProtocolWatch | undefined
  readonly #counter: CallCounter
  #calls = 0
  #proceeded = 0

  constructor({ system, machine, listener, reserved, watch, wake }: BridgeOptions) {
    this.#system = system
    this.machine = machine
    this.#listener = new Listener(system, listener)
    this.registry = new FileRegistry(system)
    this.pages = new PinnedPages(machine.memory)
    this.#queues = new QueueStandIns(system, this.registry, wake ?? ((arrived) => arrived()))
    const tree = new NodeTree(nodesOf(machine))
    const folders = new FolderStandIns(system, tree)
    const paths = new ProgramPaths(system, folders)
    this.#watch = watch
    const common = { system, listener: this.#listener, registry: this.registry, reserved }
    const standIns = new DeviceStandIns(system, this.registry)
    const copySpace = allocateCopySpace(system)
    this.#counter = copySpace.calls
    const shared = new SharedObjects({
      system,
      pages: this.pages,
      block: copySpace.block,
      mappers: () => this.#ports.threads.memories(),
    })
    const threads = new Threads({
      ...common,
      devices: standIns,
      queues: this.#queues,
      pages: this.pages,
      shared,
      copySpace,
    })
    this.#ports = {
      ...common,
      threads,
      paths,
      mappedFiles: new MappedFiles(machine.memory, standIns, () => threads.processes()),
      folders,
      shared,
      nodes: new Nodes(paths, tree),
      devices: machine.nodes,
      watch,
      scratch: system.arena.allocate(PAGE_BYTES),
    }
    if (watch !== undefined) this.#tellReleases(standIns, watch)
  }

  #tellReleases(standIns: DeviceStandIns, watch: ProtocolWatch): void {
    const { threads } = this.#ports
    this.#queues.onRelease = (file) => watch.released(file, threads.wasLeft(file), '')
    standIns.onRelease.push((file) => watch.released(file, threads.wasLeft(file), contentsOf(file)))
  }

  get counts(): BridgeCounts {
    return { calls: this.#calls, proceeded: this.#proceeded }
  }

  /** Serves until no program is left behind the filter, or the descriptor `stop` is readable. */
  serve(stop: number): void {
    const fds = [this.#listener.fd, this.registry.inotify, stop]
    for (;;) {
      this.#system.poll(fds, this.#nanosToNextStep())
      if ((this.#system.polled(1) & POLLIN) !== 0) this.registry.drain()
      const calls = this.#system.polled(0)
      if ((this.#system.polled(2) & POLLIN) !== 0) break
      if ((calls & POLLIN) !== 0) this.#serveCall()
      else if ((calls & POLLHUP) !== 0) break
      else this.#settle()
    }
    this.registry.drain()
    this.registry.releaseAll()
  }

  close(): void {
    this.registry.close()
    this.#ports.folders.close()
    closeSync(this.#listener.fd)
  }

  #serveCall(): void {
    const listener = this.#listener
    if (!listener.receive()) return
    this.#calls++
    this.#counter.served = this.#calls
    this.machine.world.clock.synchronize()
    const outcome = this.#outcome()
    if (outcome === 'proceed') {
      this.#proceeded++
      listener.proceed()
      return
    }
    this.#ports.threads.endCall()
    this.#settle()
    if (outcome !== 'answered') listener.answer(outcome)
  }

  #outcome(): Outcome {
    const { arch, number } = this.#listener
    const handler = handlerOf(arch, number)
    if (handler === undefined) return 'proceed'
    try {
      return handler(this.#ports)
    } catch (thrown) {
      if (isErrno(thrown)) return -thrown.errno
      throw thrown
    }
  }

  /** What is due in the machine happens; the programs' descriptors show it. */
  #settle(): void {
    const { scheduler } = this.machine.world
    for (let steps = 0; steps < STEPS_MAX; steps++) if (!scheduler.step()) break
    this.#queues.synchronize()
    this.#watch?.afterOther()
  }

  #nanosToNextStep(): number {
    const { clock } = this.machine.world
    const next = clock.nextAt
    if (next === Number.POSITIVE_INFINITY) return next
    clock.synchronize()
    return Math.max(0, next - clock.now)
  }
}

/** What a context that is released still has. */
function contentsOf(file: OpenFile): string {
  const count = file instanceof ContextFile ? file.context.objects.size : 0
  return count === 0 ? '' : `${count} ${count === 1 ? 'object' : 'objects'}`
}

function nodesOf({ devices }: Machine): Node[] {
  return [IOMMU_NODE, VFIO_NODE, ...devices.map(({ path }, index) => deviceNode(path, index))]
}
