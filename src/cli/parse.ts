// SPDX-License-Identifier: MIT
/** From the words of the command line to an invocation. Commander parses; the option table says what. Loads commander. */
import { Command, CommanderError, Option } from 'commander'
import { assert } from '../base/assert.ts'
import { CliError, EXIT_USAGE } from './exit.ts'
import {
  COMMANDS,
  type CommandSpec,
  commandUsage,
  type Invocation,
  type OptionSpec,
  optionsOf,
  optionUsage,
} from './options.ts'

/** Throws CliError (usage) with "did you mean" for words that the table does not know. */
export function parseCommandLine(words: readonly string[]): Invocation {
  let invocation: Invocation | undefined
  let complaint = ''
  const note = (text: string): void => {
    complaint += text
  }
  const root = configured(new Command('iopf'), note)
  const groups = new Map<string, Command>([['', root]])
  for (const command of COMMANDS) {
    addCommand(groups, command, note, (parsed) => {
      invocation = parsed
    })
  }
  try {
    root.parse([...words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    throw usageError(complaint === '' ? 'expected a command' : complaint, words)
  }
  if (invocation === undefined) throw usageError('expected a command', words)
  return invocation
}

function configured(command: Command, note: (text: string) => void): Command {
  return command
    .exitOverride()
    .helpOption(false)
    .helpCommand(false)
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureOutput({ writeErr: note, writeOut: () => {}, outputError: (text, write) => write(text) })
}

function addCommand(
  groups: Map<string, Command>,
  spec: CommandSpec,
  note: (text: string) => void,
  take: (invocation: Invocation) => void,
): void {
  let parent = groups.get('')!
  for (const word of spec.path.slice(0, -1)) {
    const group = groups.get(word) ?? configured(parent.command(word), note)
    groups.set(word, group)
    parent = group
  }
  const command = configured(parent.command(spec.path.at(-1)!), note)
  for (const argument of spec.arguments) addArgument(command, argument)
  for (const option of optionsOf(spec)) command.addOption(toCommander(option))
  command.action(() => take(invocationOf(spec, command.args, command.opts())))
}

function addArgument(command: Command, { name, rest, help }: CommandSpec['arguments'][number]): void {
  command.argument(`<${name}${rest === true ? '...' : ''}>`, help)
}

function toCommander(spec: OptionSpec): Option {
  const short = spec.short === undefined ? '' : `-${spec.short}, `
  const option = new Option(`${short}${optionUsage(spec)}`, spec.help)
  if (spec.value?.choices !== undefined) option.choices([...spec.value.choices])
  if (spec.repeat === true) {
    option.default([]).argParser<string[]>((value, earlier) => [...earlier, value])
  }
  return option.makeOptionMandatory(spec.required === true)
}

function invocationOf(
  spec: CommandSpec,
  words: readonly string[],
  values: Readonly<Record<string, unknown>>,
): Invocation {
  checkChoices(spec, words)
  const known = new Set(optionsOf(spec).map((option) => option.long))
  const valueOf = (long: string): unknown => {
    assert(known.has(long), `option --${long} is not in the table of ${spec.path.join(' ')}`)
    return values[long]
  }
  return {
    command: spec,
    arguments: words,
    flag: (long) => valueOf(long) === true,
    text: (long) => {
      const value = valueOf(long)
      return typeof value === 'string' ? value : undefined
    },
    list: (long) => {
      const value = valueOf(long)
      return Array.isArray(value) ? value.map(String) : []
    },
  }
}

function checkChoices(spec: CommandSpec, words: readonly string[]): void {
  spec.arguments.forEach(({ name, choices }, index) => {
    const word = words[index] ?? ''
    if (choices === undefined || choices.includes(word)) return
    throw usageError(
      `<${name}>: got ${JSON.stringify(word)}, expected one of ${choices.join(', ')}`,
      spec.path,
    )
  })
}

function usageError(complaint: string, words: readonly string[]): CliError {
  const text = complaint.trim().replace(/^error: /, '')
  const spec = COMMANDS.find(({ path }) => path.every((word, index) => words[index] === word))
  const next = spec === undefined ? 'iopf --help' : `iopf ${spec.path.join(' ')} --help`
  const usage = spec === undefined ? '' : `\nusage: ${commandUsage(spec)}`
  return new CliError(EXIT_USAGE, `${text}${usage}\nnext: ${next}`)
}
