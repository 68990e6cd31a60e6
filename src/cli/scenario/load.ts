// SPDX-License-Identifier: MIT
/** From the file and the `--set` arguments to a checked scenario. Loads yaml and zod: import it lazily. */
import { dirname, resolve } from 'node:path'
import { CliError, EXIT_INPUT } from '../exit.ts'
import type { Scenario } from '../../scenario/document.ts'
import { type Path, Places } from './place.ts'
import { explainIssues, formatPath, renderProblems } from './problems.ts'
import { scenarioJsonSchema, scenarioSchema } from './schema.ts'
import { applySetting, deepCopy, parseSetting } from './set.ts'
import { readScenarioText } from './text.ts'

export interface LoadedScenario {
  /** `workload.source` and `workload.destination` are absolute paths. */
  readonly scenario: Scenario
  /** Place and path of a value, for problems that show up later: `file:line:col: workload.source`. */
  describe(path: Path): string
}

export function loadScenario(file: string, settings: readonly string[]): LoadedScenario {
  const parsedSettings = settings.map(parseSetting)
  const { document, lines } = readScenarioText(file)
  const places = new Places(file, document, lines)
  let input = deepCopy(document.toJS())
  for (const setting of parsedSettings) {
    input = applySetting(input, setting)
    places.replace(setting.path, setting.argument)
  }
  const result = scenarioSchema().safeParse(input)
  if (!result.success) {
    const problems = explainIssues(result.error.issues, input, schemaKeysAt)
    throw new CliError(EXIT_INPUT, `${renderProblems(problems, places)}\n${NEXT_STEP}`)
  }
  const scenario = withAbsolutePaths(result.data, (path) =>
    places.replacedBy(path) === undefined ? dirname(resolve(file)) : process.cwd(),
  )
  return { scenario, describe: (path) => `${places.of(path).text}: ${formatPath(path)}` }
}

const NEXT_STEP =
  'next: correct the document; schema/scenario.json describes every key and completes in editors'

/** For problems that show up after loading: `file:line:col: workload.source: got ..., expected ...`. */
export function complaintAt(loaded: LoadedScenario, path: Path): (got: string, expected: string) => CliError {
  return (got, expected) =>
    new CliError(EXIT_INPUT, `${loaded.describe(path)}: got ${got}, expected ${expected}`)
}

function withAbsolutePaths(scenario: Scenario, directoryOf: (path: Path) => string): Scenario {
  const { source, destination } = scenario.workload
  const absolute = (path: string, place: Path): string => resolve(directoryOf(place), path)
  return {
    ...scenario,
    workload: {
      ...scenario.workload,
      source:
        source.kind === 'file' ? { ...source, path: absolute(source.path, ['workload', 'source']) } : source,
      destination: destination === 'none' ? 'none' : absolute(destination, ['workload', 'destination']),
    },
  }
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

/** Keys that the schema has at `path`, ascending. */
function schemaKeysAt(path: Path): readonly string[] {
  let nodes: readonly JsonSchema[] = [scenarioJsonSchema()]
  for (const step of path) {
    nodes = nodes.flatMap(alternatives).flatMap((node) => {
      const next = typeof step === 'number' ? node.items : node.properties?.[step]
      return next === undefined ? [] : [next]
    })
  }
  return nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {}))
}

function alternatives(node: JsonSchema): readonly JsonSchema[] {
  return node.anyOf ?? [node]
}
