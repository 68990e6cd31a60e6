// SPDX-License-Identifier: MIT
/** Every command and option of `iopf` in one table: parser, help, completion and man page come from here. */

export type ValueKind = 'text' | 'number' | 'file'

export interface OptionSpec {
  /** Without dashes. */
  readonly long: string
  readonly short?: string
  /** Absent: a flag. */
  readonly value?: { readonly name: string; readonly kind: ValueKind; readonly choices?: readonly string[] }
  /** May be given several times. */
  readonly repeat?: boolean
  readonly required?: boolean
  readonly help: string
}

export interface ArgumentSpec {
  readonly name: string
  readonly kind: ValueKind
  readonly choices?: readonly string[]
  /** This word and all that follow it, behind `--`. */
  readonly rest?: boolean
  readonly help: string
}

export interface ExampleSpec {
  readonly command: string
  readonly what: string
}

export type ModuleName =
  | 'simulate'
  | 'explore'
  | 'run'
  | 'trace-summary'
  | 'trace-export'
  | 'doctor'
  | 'completion'
  | 'man'

export interface CommandSpec {
  /** Words after `iopf`. */
  readonly path: readonly string[]
  /** Key of `COMMAND_MODULES`. */
  readonly module: ModuleName
  readonly summary: string
  readonly description: string
  readonly examples: readonly ExampleSpec[]
  readonly arguments: readonly ArgumentSpec[]
  readonly options: readonly OptionSpec[]
}

/** What the user asked for, checked against the table. */
export interface Invocation {
  readonly command: CommandSpec
  readonly arguments: readonly string[]
  flag(long: string): boolean
  text(long: string): string | undefined
  list(long: string): readonly string[]
}

const JSON_OPTION: OptionSpec = { long: 'json', help: 'print one JSON document on standard output' }
const FORCE_OPTION: OptionSpec = { long: 'force', help: 'overwrite files that exist' }

/** Options that every command has. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  {
    long: 'color',
    value: { name: 'when', kind: 'text', choices: ['auto', 'always', 'never'] },
    help: 'colour the output; auto honours NO_COLOR and FORCE_COLOR',
  },
  { long: 'help', short: 'h', help: 'show help' },
]

const SIMULATE: CommandSpec = {
  path: ['simulate'],
  module: 'simulate',
  summary: 'run a scenario: a machine, a process and a workload in virtual time',
  description:
    'Builds the machine that the scenario describes, copies the workload through it by DMA into memory that is not ' +
    'there, lets the handler repair every page fault, and compares the digests of source and destination. ' +
    'The same seed gives the same run, to the byte of the trace.',
  examples: [
    { command: 'iopf simulate examples/demand-paging.yaml', what: 'run an example' },
    {
      command: 'iopf simulate examples/demand-paging.yaml --set workload.source=disk.img',
      what: 'copy your own file',
    },
    { command: 'iopf simulate examples/sva.yaml --seed 7 --json', what: 'another seed, one JSON document' },
    {
      command: 'iopf simulate examples/overcommit.yaml --trace run.ndjson',
      what: 'keep every hop of every fault',
    },
  ],
  arguments: [{ name: 'scenario', kind: 'file', help: 'YAML document; schema/scenario.json describes it' }],
  options: [
    {
      long: 'seed',
      value: { name: 'n', kind: 'number' },
      help: 'seed, 0 to 4294967295 or 0x...; overrides the document',
    },
    {
      long: 'set',
      value: { name: 'path=value', kind: 'text' },
      repeat: true,
      help: 'change the document by dotted path, for instance machine.devices.0.pri.capacity=8',
    },
    JSON_OPTION,
    { long: 'trace', value: { name: 'file', kind: 'file' }, help: 'write the trace as NDJSON' },
    { long: 'quiet', short: 'q', help: 'no progress on standard error' },
    FORCE_OPTION,
  ],
}

const EXPLORE: CommandSpec = {
  path: ['explore'],
  module: 'explore',
  summary: 'look for violations in many small random scenarios',
  description:
    'Draws a small scenario from each seed (devices, credits, misbehaving handlers, devices detached and removed in ' +
    'mid-flight, failures injected), runs it, and checks that every group was answered once, that credits are ' +
    'conserved and that nothing was left behind. A violation is printed with the line that replays it.',
  examples: [
    { command: 'iopf explore --count 10000', what: 'ten thousand seeds' },
    { command: 'iopf explore --seed 4711 --count 1', what: 'replay one' },
  ],
  arguments: [],
  options: [
    { long: 'seed', value: { name: 'n', kind: 'number' }, help: 'first seed; 1 by default' },
    { long: 'count', value: { name: 'n', kind: 'number' }, help: 'number of seeds; 1000 by default' },
    JSON_OPTION,
    { long: 'quiet', short: 'q', help: 'no progress on standard error' },
  ],
}

const RUN: CommandSpec = {
  path: ['run'],
  module: 'run',
  summary: 'run an unmodified program that opens /dev/iommu',
  description:
    'Starts the program with a machine behind its /dev/iommu: the program needs no root, no kernel module and no change. ' +
    'Its ioctls, reads and writes on that device are served here, everything else by the kernel as ever. ' +
    "The exit status is the program's, 127 when it is not found, 126 when it cannot be executed; " +
    'a signal that ends the program ends iopf too.',
  examples: [
    { command: 'iopf run -- ./pager', what: 'a program that opens /dev/iommu' },
    { command: 'iopf run -- ls -l /dev/iommu /dev/vfio/devices', what: 'the devices are there' },
    { command: 'iopf run --strict --summary -- python3 examples/edu-pager.py', what: 'is it a good pager?' },
    { command: 'iopf run --perturb --seed 7 -- ./pager', what: 'other delays' },
  ],
  arguments: [{ name: 'program', kind: 'file', rest: true, help: 'the program and its arguments' }],
  options: [
    {
      long: 'machine',
      value: { name: 'file', kind: 'file' },
      help: 'the machine of a scenario document; by default one IOMMU, an edu (vfio0) and a dma-engine (vfio1)',
    },
    { long: 'mock', help: 'the test ABI of a kernel with CONFIG_IOMMUFD_TEST, and its mock devices' },
    {
      long: 'summary',
      help: 'at the end tell on standard error who answered what, how long it took, and what was wrong',
    },
    {
      long: 'strict',
      help: 'exit 1 when the program broke a rule of fault handling: a group not answered or answered twice, an unknown cookie, a read with a short buffer',
    },
    { long: 'perturb', help: 'delay page requests, answers and wake-ups by times drawn from the seed' },
    {
      long: 'seed',
      value: { name: 'n', kind: 'number' },
      help: 'seed of --perturb, 0 to 4294967295 or 0x...; 1 by default',
    },
    {
      long: 'trace',
      value: { name: 'file', kind: 'file' },
      help: 'write every hop of every fault as NDJSON',
    },
    FORCE_OPTION,
  ],
}

const TRACE_SUMMARY: CommandSpec = {
  path: ['trace', 'summary'],
  module: 'trace-summary',
  summary: 'events, flows and latencies of a trace',
  description:
    'Counts the events of a trace by name and the latency of its page request groups from request to response.',
  examples: [{ command: 'iopf trace summary run.ndjson', what: 'counts and latencies' }],
  arguments: [{ name: 'file', kind: 'file', help: 'NDJSON trace, as --trace writes it' }],
  options: [JSON_OPTION],
}

const TRACE_EXPORT: CommandSpec = {
  path: ['trace', 'export'],
  module: 'trace-export',
  summary: 'turn a trace into another format',
  description:
    'Reads an NDJSON trace and writes it for another tool: Perfetto protobuf for ui.perfetto.dev, or text as ftrace prints it.',
  examples: [
    {
      command: 'iopf trace export run.ndjson --format perfetto --output run.pftrace',
      what: 'open it in ui.perfetto.dev',
    },
    { command: 'iopf trace export run.ndjson --format ftrace | grep page_response', what: 'text for grep' },
  ],
  arguments: [{ name: 'file', kind: 'file', help: 'NDJSON trace, as --trace writes it' }],
  options: [
    {
      long: 'format',
      value: { name: 'format', kind: 'text', choices: ['ndjson', 'perfetto', 'ftrace'] },
      required: true,
      help: 'what to write',
    },
    {
      long: 'output',
      short: 'o',
      value: { name: 'file', kind: 'file' },
      help: 'file to write; standard output by default',
    },
    FORCE_OPTION,
  ],
}

const DOCTOR: CommandSpec = {
  path: ['doctor'],
  module: 'doctor',
  summary: 'what this host can do, and the cure for what it cannot',
  description:
    'Checks Node, shared memory, the kernel features, the C compiler and the optional packages that parts of iopf use.',
  examples: [{ command: 'iopf doctor', what: 'one line a check' }],
  arguments: [],
  options: [JSON_OPTION],
}

const COMPLETION: CommandSpec = {
  path: ['completion'],
  module: 'completion',
  summary: 'print a completion script',
  description: 'Prints a script that completes commands, options, choices and files of iopf in your shell.',
  examples: [
    { command: 'source <(iopf completion bash)', what: 'bash, this session' },
    { command: 'iopf completion fish > ~/.config/fish/completions/iopf.fish', what: 'fish, for good' },
  ],
  arguments: [{ name: 'shell', kind: 'text', choices: ['bash', 'zsh', 'fish'], help: 'your shell' }],
  options: [],
}

const MAN: CommandSpec = {
  path: ['man'],
  module: 'man',
  summary: 'print the man page',
  description: 'Prints the man page iopf(1) in man(7) macros.',
  examples: [{ command: 'iopf man | man -l -', what: 'read it' }],
  arguments: [],
  options: [],
}

export const COMMANDS: readonly CommandSpec[] = [
  SIMULATE,
  EXPLORE,
  RUN,
  TRACE_SUMMARY,
  TRACE_EXPORT,
  DOCTOR,
  COMPLETION,
  MAN,
]

export const TAGLINE = 'I/O page faults without the hardware'

/** `--seed <n>` */
export function optionUsage(option: OptionSpec): string {
  return option.value === undefined ? `--${option.long}` : `--${option.long} <${option.value.name}>`
}

/** `iopf trace export <file> [options]` */
export function commandUsage(command: CommandSpec): string {
  const own = command.arguments.filter(({ rest }) => rest !== true).map(({ name }) => `<${name}>`)
  const rest = command.arguments.filter(({ rest }) => rest === true).map(({ name }) => `-- <${name}...>`)
  return ['iopf', ...command.path, ...own, '[options]', ...rest].join(' ')
}

export function optionsOf(command: CommandSpec): readonly OptionSpec[] {
  return [...command.options, ...COMMON_OPTIONS]
}

export function optionHelp(option: OptionSpec): string {
  const choices = option.value?.choices === undefined ? '' : ` (${option.value.choices.join(', ')})`
  return `${option.help}${choices}${option.repeat === true ? '; may be repeated' : ''}`
}
