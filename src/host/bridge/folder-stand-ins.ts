// SPDX-License-Identifier: MIT
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../sys/numbers.ts'
import type { FileIdentity, System } from '../sys/system.ts'
import type { NodeFolder, NodeTree } from './node-tree.ts'

/** Real folders for those below /dev that need not be there, so that programs can list them. */
export class FolderStandIns {
  readonly #system: System
  readonly #tree: NodeTree
  #root: string | undefined = undefined

  constructor(system: System, tree: NodeTree) {
    this.#system = system
    this.#tree = tree
  }

  /** A descriptor of a folder with the same names in it, or minus an errno. */
  open(folder: NodeFolder): number {
    return this.#system.open(0, this.#create(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  }

  identify(folder: NodeFolder): FileIdentity {
    const identity: FileIdentity = { device: 0, inode: 0 }
    this.#system.identify(0, this.#create(folder), identity)
    return identity
  }

  /** Whether a path is one of the folders. */
  has(path: string): boolean {
    return this.#tree.folders.has(path)
  }

  /** The path below /dev that a path of ours stands for. */
  originalOf(path: string): string {
    const root = this.#root
    return root !== undefined && path.startsWith(`${root}/`) ? path.slice(root.length) : path
  }

  close(): void {
    if (this.#root !== undefined) rmSync(this.#root, { recursive: true, force: true })
  }

  #create({ path, names }: NodeFolder): string {
    this.#root ??= mkdtempSync(join(tmpdir(), 'iopf-dev-'))
    const folder = join(this.#root, path)
    mkdirSync(folder, { recursive: true })
    for (const name of names) {
      if (this.has(`${path}/${name}`)) mkdirSync(join(folder, name), { recursive: true })
      else writeFileSync(join(folder, name), '')
    }
    return folder
  }
}
