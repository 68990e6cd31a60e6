// SPDX-License-Identifier: MIT
/** The device files that programs find, and the folders that they are in. */

/** A device file. */
export interface Node {
  readonly path: string
  readonly major: number
  readonly minor: number
}

/** A folder of device files that the host need not have. */
export interface NodeFolder {
  readonly path: string
  readonly names: readonly string[]
}

const MISC_MAJOR = 10
/** Of VFIO's device files; the kernel takes any free one. */
const VFIO_MAJOR = 511

export const IOMMU_NODE: Node = { path: '/dev/iommu', major: MISC_MAJOR, minor: 125 }
export const VFIO_NODE: Node = { path: '/dev/vfio/vfio', major: MISC_MAJOR, minor: 196 }

/** The file of the n-th device. */
export function deviceNode(path: string, minor: number): Node {
  return { path, major: VFIO_MAJOR, minor }
}

export class NodeTree {
  readonly nodes: ReadonlyMap<string, Node>
  readonly folders: ReadonlyMap<string, NodeFolder>
  /** The last parts of all paths. */
  readonly names: ReadonlySet<string>

  constructor(nodes: readonly Node[]) {
    this.nodes = new Map(nodes.map((node) => [node.path, node]))
    this.folders = foldersOf(nodes)
    this.names = new Set([...this.nodes.keys(), ...this.folders.keys()].map(lastPart))
  }
}

function foldersOf(nodes: readonly Node[]): Map<string, NodeFolder> {
  const names = new Map<string, Set<string>>()
  for (const { path } of nodes) {
    let child = path
    for (let folder = parentOf(child); folder !== '/dev'; folder = parentOf(child)) {
      const known = names.get(folder) ?? new Set<string>()
      names.set(folder, known.add(lastPart(child)))
      child = folder
    }
  }
  return new Map([...names].map(([path, set]) => [path, { path, names: [...set] }]))
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

export function lastPart(path: string): string {
  const end = path.endsWith('/') ? path.length - 1 : path.length
  return path.slice(path.lastIndexOf('/', end - 1) + 1, end)
}
