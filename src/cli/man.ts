// SPDX-License-Identifier: MIT
/** `iopf man`: the man page in man(7) macros, made from the option table. */
import { EXIT_CODES, EXIT_OK } from './exit.ts'
import {
  COMMANDS,
  type CommandSpec,
  commandUsage,
  optionHelp,
  optionsOf,
  optionUsage,
  TAGLINE,
} from './options.ts'
import { writeOut } from './terminal.ts'
import { version } from './version.ts'

export async function run(): Promise<number> {
  await writeOut(manPage())
  return EXIT_OK
}

export function manPage(): string {
  const lines = [
    `.TH IOPF 1 "" "iopf ${version()}"`,
    '.SH NAME',
    `iopf \\- ${escape(TAGLINE)}`,
    '.SH SYNOPSIS',
    ...COMMANDS.flatMap((command) => ['.B', escape(commandUsage(command)), '.br']),
    '.SH COMMANDS',
    ...COMMANDS.flatMap(commandSection),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, escape(meaning)]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NO_COLOR',
    'Not empty: no colour.',
    '.TP',
    '.B FORCE_COLOR',
    'Not empty and not 0: colour.',
    '.TP',
    '.B TMPDIR',
    'Where a copy without a destination is kept while a scenario runs.',
  ]
  return `${lines.join('\n')}\n`
}

function commandSection(command: CommandSpec): string[] {
  return [
    `.SS ${escape(commandUsage(command))}`,
    escape(command.description),
    ...command.arguments.flatMap(({ name, help }) => ['.TP', `.I ${escape(name)}`, escape(help)]),
    ...optionsOf(command).flatMap((option) => {
      const short = option.short === undefined ? '' : `-${option.short}, `
      return ['.TP', `.B ${escape(short + optionUsage(option))}`, escape(optionHelp(option))]
    }),
    ...command.examples.flatMap((example) => [
      '.PP',
      escape(`${example.what}:`),
      '.PP',
      '.RS',
      escape(example.command),
      '.RE',
    ]),
  ]
}

/** Text that troff prints as it stands. */
function escape(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&')
}
