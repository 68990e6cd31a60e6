#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/** The command `iopf`. Everything but the option table is imported when it is needed. */
import { CliError, EXIT_BUG, EXIT_OK, EXIT_USAGE } from './exit.ts'
import { COMMANDS } from './options.ts'
import { endQuietlyOnBrokenPipe, writeError, writeOut } from './terminal.ts'

async function main(words: readonly string[]): Promise<number> {
  const [first] = words
  if (first === '--version' || first === '-V') {
    const { version } = await import('./version.ts')
    await writeOut(`${version()}\n`)
    return EXIT_OK
  }
  const helped = await helpFor(words)
  if (helped !== undefined) {
    if (first === undefined) writeError(helped)
    else await writeOut(helped)
    return first === undefined ? EXIT_USAGE : EXIT_OK
  }
  const { parseCommandLine } = await import('./parse.ts')
  const invocation = parseCommandLine(words)
  const { inlineMore } = await import('../host/v8-flags.ts')
  inlineMore()
  const { COMMAND_MODULES } = await import('./modules.ts')
  const { run } = await COMMAND_MODULES[invocation.command.module]()
  return run(invocation)
}

/** Help text where the words ask for it, or name nothing that runs. */
async function helpFor(words: readonly string[]): Promise<string | undefined> {
  const end = words.indexOf('--')
  const own = end < 0 ? words : words.slice(0, end)
  const isAsked = own[0] === 'help' || own.some((word) => word === '--help' || word === '-h')
  const path = own.filter((word) => !word.startsWith('-') && word !== 'help')
  const isGroup = COMMANDS.some(
    ({ path: [first, second] }) => second !== undefined && path.length === 1 && path[0] === first,
  )
  if (!isAsked && words.length > 0 && !(isGroup && own.length === 1)) return undefined
  const { commandHelp, groupHelp, programHelp } = await import('./help.ts')
  const command = COMMANDS.find((spec) => spec.path.every((word, index) => path[index] === word))
  if (command !== undefined) return commandHelp(command)
  return isGroup ? groupHelp(path) : programHelp()
}

async function reportFailure(error: unknown): Promise<number> {
  if (error instanceof CliError) {
    writeError(`iopf: ${error.message}\n`)
    return error.exitCode
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error)
  const { reproducer } = await import('./reproduce.ts')
  writeError(
    `iopf: an assertion of iopf failed; please report it with the last line\n${text}\n${reproducer()}\n`,
  )
  return EXIT_BUG
}

/** A failure outside of any promise that is awaited: nothing can be trusted any more. */
function endOnSurprise(error: unknown): void {
  reportFailure(error).then(
    (exitCode) => process.exit(exitCode),
    () => process.exit(EXIT_BUG),
  )
}

// A program that runs under iopf has standard output and error to itself: even to look at ours would change their mode.
if (process.argv[2] !== 'run') endQuietlyOnBrokenPipe()
process.on('uncaughtException', endOnSurprise)
process.exitCode = await main(process.argv.slice(2)).catch(reportFailure)
