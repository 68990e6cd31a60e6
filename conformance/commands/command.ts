// SPDX-License-Identifier: MIT
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { CaseError } from '../format/parse.ts'
import { GuestError } from '../kernel/replayer.ts'
import { HostError } from '../kernel/reference.ts'

/** A command: the project's root and its arguments in, its exit code out. */
export type Command = (root: string, args: readonly string[]) => Promise<number>

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/** Tells what went wrong and exits: 2 usage, 3 a bad case, 4 not on this host. */
export function command(run: (root: string, args: readonly string[]) => number | Promise<number>): Command {
  return async (root, args) => {
    try {
      return await run(root, args)
    } catch (error) {
      const code = exitCodeOf(error)
      if (code === undefined || !(error instanceof Error)) throw error
      process.stderr.write(`conformance: ${error.message}\n`)
      return code
    }
  }
}

function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError) return 2
  if (error instanceof CaseError) return 3
  return error instanceof HostError || error instanceof GuestError ? 4 : undefined
}

/** As `parseArgs`, with files and folders allowed. Throws `UsageError`. */
export function parsedArgs<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
