// SPDX-License-Identifier: MIT
// Writes schema/scenario.json from the scenario schema in dist/. With --check: writes nothing, exit 1 when it is stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { scenarioJsonSchemaText } from '../dist/cli/scenario/schema.js'

const OUTPUT = new URL('../schema/scenario.json', import.meta.url)
const text = scenarioJsonSchemaText()

if (!process.argv.includes('--check')) writeFileSync(OUTPUT, text)
else if (readFileSync(OUTPUT, 'utf8') !== text) {
  process.stderr.write('schema/scenario.json is stale; next: npm run generate\n')
  process.exitCode = 1
}
