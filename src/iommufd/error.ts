// SPDX-License-Identifier: MIT
import { type Errno, type ErrnoCode, isErrno } from '../base/errno.ts'

/** What the typed door throws for an expected failure: the code, the operation and what it was asked to do. */
export class IommufdError extends Error {
  override readonly name = 'IommufdError'
  /** Name as in errno(3), for instance `EINVAL`. */
  readonly code: ErrnoCode
  /** Positive Linux number, for instance 22. */
  readonly errno: number
  /** The operation, for instance `ioas.map`. */
  readonly operation: string
  /** What the operation was given. */
  readonly arguments: Readonly<Record<string, unknown>>

  constructor(cause: Errno, operation: string, args: Readonly<Record<string, unknown>>) {
    super(`${operation}(${describe(args)}): ${cause.code}`)
    this.code = cause.code
    this.errno = cause.errno
    this.operation = operation
    this.arguments = args
  }
}

function describe(args: Readonly<Record<string, unknown>>): string {
  return Object.entries(args)
    .map(([name, value]) => `${name}: ${show(value)}`)
    .join(', ')
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (typeof value !== 'object' || value === null) return String(value)
  if ('name' in value && typeof value.name === 'string') return value.name
  if ('id' in value && typeof value.id === 'number') return String(value.id)
  return value.constructor.name
}

/** An `Errno` becomes an `IommufdError`; everything else (a broken invariant) passes through. */
export function typedError(
  thrown: unknown,
  operation: string,
  args: Readonly<Record<string, unknown>>,
): unknown {
  return isErrno(thrown) ? new IommufdError(thrown, operation, args) : thrown
}
