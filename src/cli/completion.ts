// SPDX-License-Identifier: MIT
/** `iopf completion`: scripts for bash, zsh and fish, made from the option table. */
import { EXIT_OK } from './exit.ts'
import { COMMANDS, type CommandSpec, type Invocation, type OptionSpec, optionsOf } from './options.ts'
import { writeOut } from './terminal.ts'

export async function run(invocation: Invocation): Promise<number> {
  const [shell = ''] = invocation.arguments
  await writeOut(completionScript(shell))
  return EXIT_OK
}

export function completionScript(shell: string): string {
  if (shell === 'bash') return bash()
  return shell === 'zsh' ? zsh() : fish()
}

/** Distinct first words, in table order. */
function firstWords(): string[] {
  return [...new Set(COMMANDS.map((command) => command.path[0]!))]
}

function secondWords(first: string): string[] {
  return COMMANDS.flatMap(({ path }) => (path[0] === first && path[1] !== undefined ? [path[1]] : []))
}

function dashed(option: OptionSpec): string[] {
  const short = option.short === undefined ? [] : [`-${option.short}`]
  return [`--${option.long}`, ...short]
}

function bash(): string {
  const cases = COMMANDS.flatMap((command) => [
    `    '${command.path.join(' ')}')`,
    `      case $previous in`,
    ...optionsOf(command).flatMap(bashValue),
    `      esac`,
    `      if [[ $current == -* ]]; then words='${optionsOf(command).flatMap(dashed).join(' ')}'; else ${bashArgument(command)}; fi`,
    `      ;;`,
  ])
  const groups = firstWords().filter((word) => secondWords(word).length > 0)
  return `# bash completion of iopf
_iopf() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    words='${firstWords().join(' ')} --help --version'
    COMPREPLY=($(compgen -W "$words" -- "$current")); return
  fi
  case $command in
${groups.map((word) => `    ${word}) if [[ $COMP_CWORD -eq 2 ]]; then COMPREPLY=($(compgen -W '${secondWords(word).join(' ')}' -- "$current")); return; fi; command="$command \${COMP_WORDS[2]}" ;;`).join('\n')}
  esac
  case $command in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _iopf iopf
`
}

/** Completes the value after an option; file names are bash's default when nothing is found. */
function bashValue(option: OptionSpec): string[] {
  if (option.value === undefined) return []
  const pattern = dashed(option).join('|')
  const { choices } = option.value
  const found =
    choices === undefined ? '' : `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current")); `
  return [`        ${pattern}) ${found}return ;;`]
}

function bashArgument(command: CommandSpec): string {
  const choices = command.arguments[0]?.choices
  return choices === undefined ? 'return' : `words='${choices.join(' ')}'`
}

function zsh(): string {
  const functions = COMMANDS.map((command) => {
    const specs = [...optionsOf(command).flatMap(zshOption), ...command.arguments.map(zshArgument)]
    return `_iopf_${command.path.join('_')}() {\n  _arguments -s \\\n${specs.map((spec) => `    ${spec}`).join(' \\\n')}\n}`
  })
  const arms = COMMANDS.map(
    ({ path }) =>
      `    '${path.join(' ')}') shift ${path.length} words; (( CURRENT -= ${path.length} )); _iopf_${path.join('_')} ;;`,
  )
  const groups = firstWords().filter((word) => secondWords(word).length > 0)
  return `#compdef iopf
${functions.join('\n')}
_iopf() {
  local command=$words[2]
  if (( CURRENT == 2 )); then compadd -- ${firstWords().join(' ')} --help --version; return; fi
  case $command in
${groups.map((word) => `    ${word}) if (( CURRENT == 3 )); then compadd -- ${secondWords(word).join(' ')}; return; fi; command="$command $words[3]" ;;`).join('\n')}
  esac
  case $command in
${arms.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_iopf" ]; then _iopf "$@"; else compdef _iopf iopf; fi
`
}

function zshOption(option: OptionSpec): string[] {
  const value = option.value === undefined ? '' : `:${option.value.name}:${zshValues(option.value)}`
  const repeat = option.repeat === true ? '*' : ''
  return dashed(option).map((name) =>
    quote(`${repeat}${name}[${option.help.replaceAll(/[[\]]/g, '')}]${value}`),
  )
}

function zshArgument(argument: CommandSpec['arguments'][number], index: number): string {
  return quote(`${index + 1}:${argument.name}:${zshValues(argument)}`)
}

function zshValues(value: { readonly kind: string; readonly choices?: readonly string[] }): string {
  if (value.choices !== undefined) return `(${value.choices.join(' ')})`
  return value.kind === 'file' ? '_files' : ' '
}

function fish(): string {
  const lines = ['# fish completion of iopf']
  for (const word of firstWords()) lines.push(`complete -c iopf -f -n __fish_use_subcommand -a ${word}`)
  for (const word of firstWords()) {
    const seconds = secondWords(word)
    if (seconds.length === 0) continue
    const condition = `__fish_seen_subcommand_from ${word}; and not __fish_seen_subcommand_from ${seconds.join(' ')}`
    lines.push(`complete -c iopf -f -n ${quote(condition)} -a ${quote(seconds.join(' '))}`)
  }
  return `${[...lines, ...COMMANDS.flatMap(fishCommand)].join('\n')}\n`
}

function fishCommand(command: CommandSpec): string[] {
  const condition = quote(command.path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and '))
  const start = `complete -c iopf -n ${condition}`
  const options = optionsOf(command).map((option) => {
    const short = option.short === undefined ? '' : ` -s ${option.short}`
    const choices =
      option.value?.choices === undefined ? '' : ` -f -a ${quote(option.value.choices.join(' '))}`
    const value = option.value === undefined ? '' : ` -r${choices}`
    return `${start} -l ${option.long}${short}${value} -d ${quote(option.help)}`
  })
  const choices = command.arguments.flatMap((argument) => argument.choices ?? [])
  return choices.length === 0 ? options : [...options, `${start} -f -a ${quote(choices.join(' '))}`]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
