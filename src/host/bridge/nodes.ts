// SPDX-License-Identifier: MIT
import { lastPart, type Node, type NodeFolder, type NodeTree } from './node-tree.ts'
import type { ProgramPaths } from './program-paths.ts'

const LINKS_MAX = 8

/** What a path of a program turns out to be. */
export type Found =
  | { readonly kind: 'node'; readonly node: Node }
  | { readonly kind: 'folder'; readonly folder: NodeFolder }
  /** An open file of a process, by its place in /proc. */
  | { readonly kind: 'open file'; readonly path: string }
  /** /proc/PID/status. */
  | { readonly kind: 'status'; readonly path: string; readonly tgid: number }

export interface FindOptions {
  /** The last part may be a link. */
  readonly followLast: boolean
  readonly looksAtLinks: boolean
}

/** Looks whether a path of a program is one of ours. */
export class Nodes {
  readonly #paths: ProgramPaths
  readonly #tree: NodeTree

  constructor(paths: ProgramPaths, tree: NodeTree) {
    this.#paths = paths
    this.#tree = tree
  }

  /** The device file of an open file's name. */
  named(path: string | undefined): Node | undefined {
    return path === undefined ? undefined : this.#tree.nodes.get(path)
  }

  /**
   * `folder`: a descriptor of the thread, negative: its own folder. `looksAtLinks`: whether a link of another name may lead
   * to one of ours, which costs a look at every path that is not ours.
   */
  find(tid: number, folder: number, path: string, options: FindOptions): Found | undefined {
    const { followLast, looksAtLinks } = options
    if (!this.#mayBeOurs(tid, folder, path, followLast && looksAtLinks)) return undefined
    const resolved = this.#paths.resolve(tid, folder, path, followLast)
    if (resolved === undefined) return undefined
    if (OPEN_FILE.test(resolved)) return { kind: 'open file', path: resolved }
    const tgid = STATUS.exec(resolved)?.[1]
    if (tgid !== undefined) return { kind: 'status', path: resolved, tgid: Number(tgid) }
    const known = this.#tree.folders.get(resolved)
    if (known !== undefined) return { kind: 'folder', folder: known }
    const node = this.#tree.nodes.get(resolved)
    return node === undefined ? undefined : { kind: 'node', node }
  }

  /** Follows the last part's links by their names only. */
  #mayBeOurs(tid: number, folder: number, path: string, followLast: boolean): boolean {
    let name = path
    for (let links = 0; links < LINKS_MAX; links++) {
      if (this.#tree.names.has(lastPart(name)) || INTERESTING.test(name)) return true
      const target = followLast ? this.#paths.linkAt(tid, folder, name) : undefined
      if (target === undefined) return false
      name = target.startsWith('/') ? target : `${name.slice(0, name.lastIndexOf('/') + 1)}${target}`
    }
    return true
  }
}

/** A path that may lead anywhere, to an open file, or to the status of a process. */
const INTERESTING = /(?:^|\/)(?:\.\.?\/?|fd\/\d+|std(?:in|out|err)|status)$/
const STATUS = /^\/proc\/(\d+)\/(?:task\/\d+\/)?status$/
const OPEN_FILE = /^\/proc\/\d+\/(?:task\/\d+\/)?fd\/\d+$/
