// SPDX-License-Identifier: MIT
/** The device files that programs find, and who looks whether a path is one of them. */
import type { ProgramPaths } from './program-paths.ts'

/** A device file. */
export interface Node {
  readonly path: string
  readonly major: number
  readonly minor: number
}

const MISC_MAJOR = 10

export const IOMMU_NODE: Node = { path: '/dev/iommu', major: MISC_MAJOR, minor: 125 }
export const VFIO_NODE: Node = { path: '/dev/vfio/vfio', major: MISC_MAJOR, minor: 196 }

const LINKS_MAX = 8

/** What a path of a program turns out to be. */
export type Found =
  | { readonly kind: 'node'; readonly node: Node }
  /** An open file of a process, by its place in /proc. */
  | { readonly kind: 'open file'; readonly path: string }
  /** /proc/PID/status. */
  | { readonly kind: 'status'; readonly path: string; readonly tgid: number }

export class Nodes {
  readonly #paths: ProgramPaths
  readonly #nodes: ReadonlyMap<string, Node>
  readonly #names: ReadonlySet<string>

  constructor(paths: ProgramPaths, nodes: readonly Node[]) {
    this.#paths = paths
    this.#nodes = new Map(nodes.map((node) => [node.path, node]))
    this.#names = new Set(nodes.map(({ path }) => lastPart(path)))
  }

  /** The device file of an open file's name. */
  named(path: string | undefined): Node | undefined {
    return path === undefined ? undefined : this.#nodes.get(path)
  }

  /** Costs one look at a link for a path that is not ours. `folder`: a descriptor of the thread, negative: its own folder. */
  find(tid: number, folder: number, path: string, followLast: boolean = true): Found | undefined {
    if (!this.#mayBeOurs(tid, folder, path, followLast)) return undefined
    const resolved = this.#paths.resolve(tid, folder, path, followLast)
    if (resolved === undefined) return undefined
    if (OPEN_FILE.test(resolved)) return { kind: 'open file', path: resolved }
    const tgid = STATUS.exec(resolved)?.[1]
    if (tgid !== undefined) return { kind: 'status', path: resolved, tgid: Number(tgid) }
    const node = this.#nodes.get(resolved)
    return node === undefined ? undefined : { kind: 'node', node }
  }

  /** Follows the last part's links by their names only. */
  #mayBeOurs(tid: number, folder: number, path: string, followLast: boolean): boolean {
    let name = path
    for (let links = 0; links < LINKS_MAX; links++) {
      if (this.#names.has(lastPart(name)) || INTERESTING.test(name)) return true
      const target = followLast ? this.#paths.linkAt(tid, folder, name) : undefined
      if (target === undefined) return false
      name = target.startsWith('/') ? target : `${name.slice(0, name.lastIndexOf('/') + 1)}${target}`
    }
    return true
  }
}

/** A path that may lead to an open file, or to the status, of a process. */
const INTERESTING = /(?:^|\/)(?:fd\/\d+|std(?:in|out|err)|status)$/
const STATUS = /^\/proc\/(\d+)\/(?:task\/\d+\/)?status$/
const OPEN_FILE = /^\/proc\/\d+\/(?:task\/\d+\/)?fd\/\d+$/

function lastPart(path: string): string {
  const end = path.endsWith('/') ? path.length - 1 : path.length
  return path.slice(path.lastIndexOf('/', end - 1) + 1, end)
}
