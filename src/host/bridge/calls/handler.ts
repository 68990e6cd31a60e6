// SPDX-License-Identifier: MIT
import type { DeviceNodes } from '../../../iommufd/fs/device-nodes.ts'
import type { System } from '../../sys/system.ts'
import type { FileRegistry } from '../file-registry.ts'
import type { FolderStandIns } from '../folder-stand-ins.ts'
import type { MappedFiles } from '../mapped-files.ts'
import type { Nodes } from '../nodes.ts'
import type { Listener } from '../notifications.ts'
import type { ProgramPaths } from '../program-paths.ts'
import type { ReservedRange } from '../reserved-range.ts'
import type { ProtocolWatch } from '../watch/protocol-watch.ts'
import type { SharedObjects } from '../shared-objects.ts'
import type { Threads } from '../threads.ts'

/** What the handlers of calls work with. */
export interface Ports {
  readonly system: System
  readonly listener: Listener
  readonly registry: FileRegistry
  readonly threads: Threads
  readonly paths: ProgramPaths
  /** Which paths are device files. */
  readonly nodes: Nodes
  /** What opening one gives. */
  readonly devices: DeviceNodes
  readonly reserved: ReservedRange
  readonly mappedFiles: MappedFiles
  /** Memory of files that is pinned. */
  readonly shared: SharedObjects
  readonly folders: FolderStandIns
  /** Who looks on at reads and writes of queues. */
  readonly watch: ProtocolWatch | undefined
  /** Place in the arena of a page, for one call's structs. */
  readonly scratch: number
}

/** A result or minus an errno; or the kernel goes on with the call; or it is answered already. */
export type Outcome = number | 'proceed' | 'answered'

/** Serves the call of `ports.listener`. May throw an `Errno`. */
export type Handler = (ports: Ports) => Outcome
