// SPDX-License-Identifier: MIT
/** Help texts, made from the option table: examples first. */
import { EXIT_CODES } from './exit.ts'
import {
  COMMANDS,
  COMMON_OPTIONS,
  type CommandSpec,
  commandUsage,
  type ExampleSpec,
  optionHelp,
  type OptionSpec,
  optionsOf,
  optionUsage,
  TAGLINE,
} from './options.ts'

const WIDTH = 96

export function programHelp(): string {
  const examples = COMMANDS.flatMap((command) => command.examples.slice(0, 1))
  return sections([
    ['', [`iopf: ${TAGLINE}`]],
    ['Examples', exampleLines(examples)],
    ['Commands', table(COMMANDS.map((command) => [command.path.join(' '), command.summary]))],
    ['Options', optionLines([...COMMON_OPTIONS, { long: 'version', short: 'V', help: 'show the version' }])],
    ['Exit codes', table(EXIT_CODES.map(([code, meaning]) => [String(code), meaning]))],
    ['', ['`iopf <command> --help` shows the options of a command.']],
  ])
}

export function commandHelp(command: CommandSpec): string {
  return sections([
    ['', wrap(command.description, WIDTH)],
    ['Examples', exampleLines(command.examples)],
    ['Usage', [`  ${commandUsage(command)}`]],
    ['Arguments', table(command.arguments.map((argument) => [`<${argument.name}>`, argumentHelp(argument)]))],
    ['Options', optionLines(optionsOf(command))],
  ])
}

/** Help for a word that only begins commands, such as `trace`. */
export function groupHelp(prefix: readonly string[]): string {
  const members = COMMANDS.filter((command) => prefix.every((word, index) => command.path[index] === word))
  return sections([
    ['Examples', exampleLines(members.flatMap((command) => command.examples.slice(0, 1)))],
    ['Commands', table(members.map((command) => [command.path.join(' '), command.summary]))],
  ])
}

function argumentHelp(argument: CommandSpec['arguments'][number]): string {
  return argument.choices === undefined ? argument.help : `${argument.help} (${argument.choices.join(', ')})`
}

function sections(parts: readonly (readonly [title: string, lines: readonly string[]])[]): string {
  const texts = parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => (title === '' ? lines : [`${title}:`, ...lines]).join('\n'))
  return `${texts.join('\n\n')}\n`
}

function exampleLines(examples: readonly ExampleSpec[]): string[] {
  return examples.flatMap(({ command, what }) => [`  # ${what}`, `  ${command}`])
}

function optionLines(options: readonly OptionSpec[]): string[] {
  return table(
    options.map((option) => {
      const short = option.short === undefined ? '    ' : `-${option.short}, `
      return [`${short}${optionUsage(option)}`, optionHelp(option)]
    }),
  )
}

function table(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.flatMap(([left, right]) => {
    const [first = '', ...rest] = wrap(right, WIDTH - width - 4)
    return [`  ${left.padEnd(width)}  ${first}`, ...rest.map((line) => `${' '.repeat(width + 4)}${line}`)]
  })
}

/** Lines of at most `width` characters, broken at spaces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
