// SPDX-License-Identifier: MIT
import { Destroy } from '../abi/index.ts'
import { typedError } from '../error.ts'
import type { Command } from '../ioctl-entry.ts'
import { rowOf } from '../ioctl-table.ts'
import type { Context } from '../objects/context.ts'
import type { Caller } from '../files.ts'
import { BytesCaller } from './bytes-memory.ts'

/** What the typed objects share: the open context and the process that calls. */
export class Door {
  readonly context: Context
  readonly caller: Caller

  constructor(context: Context, caller: Caller) {
    this.context = context
    this.caller = caller
  }

  /** The same function with the same decoded command as the byte door, errors as `IommufdError`. */
  run<C extends Command>(command: C, operation: string, args: Readonly<Record<string, unknown>>): C {
    try {
      rowOf(command).run(this.context, this.caller, command)
      return command
    } catch (thrown) {
      throw typedError(thrown, operation, args)
    }
  }

  /** As `run`, for a command that points to `bytes` (at BYTES_ADDRESS). */
  runWith<C extends Command>(
    bytes: Uint8Array,
    command: C,
    operation: string,
    args: Readonly<Record<string, unknown>>,
  ): C {
    try {
      this.perform(command, bytes)
      return command
    } catch (thrown) {
      throw typedError(thrown, operation, args)
    }
  }

  /** As `runWith`; throws the bare `Errno`. */
  perform(command: Command, bytes: Uint8Array): void {
    rowOf(command).run(this.context, new BytesCaller(this.caller, bytes), command)
  }

  /** IOMMU_DESTROY. */
  destroy(id: number, operation: string): void {
    const command = new Destroy()
    command.id = id
    this.run(command, operation, { id })
  }

  /** For calls that are not ioctls of /dev/iommu: bind, attach, file operations. */
  call<R>(operation: string, args: Readonly<Record<string, unknown>>, body: () => R): R {
    try {
      return body()
    } catch (thrown) {
      throw typedError(thrown, operation, args)
    }
  }
}
