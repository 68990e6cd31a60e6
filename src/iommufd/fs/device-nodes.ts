// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOENT } from '../../base/errno.ts'
import type { Caller, OpenFile } from '../files.ts'

/** Makes the open file of a node. Throws an `Errno`. */
export type OpenNode = (caller: Caller) => OpenFile

/** The device nodes of a machine, by path. */
export class DeviceNodes {
  readonly #nodes: Map<string, OpenNode> = new Map()

  /** `/dev/...`, which is not there yet. */
  register(path: string, open: OpenNode): void {
    assert(!this.#nodes.has(path), `device node ${path} is already there`)
    this.#nodes.set(path, open)
  }

  unregister(path: string): void {
    assert(this.#nodes.delete(path), `no device node ${path}`)
  }

  /** ENOENT; the errors of the device. */
  open(path: string, caller: Caller): OpenFile {
    const open = this.#nodes.get(path)
    if (open === undefined) throw ENOENT
    return open(caller)
  }
}
