// SPDX-License-Identifier: MIT
/** Bundles the tool from its TypeScript sources and runs it: `node conformance/run.mjs COMMAND`. */
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const COMMANDS = ['check', 'record', 'fuzz', 'coverage', 'selftest']

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const [name = 'check', ...args] = process.argv.slice(2)

/** Only what the command needs is bundled: recording works while our side does not compile. */
async function bundle(outfile) {
  mkdirSync(dirname(outfile), { recursive: true })
  await build({
    entryPoints: [join(root, `conformance/commands/${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    outfile,
    logLevel: 'error',
  })
}

async function load() {
  const outfile = join(root, `node_modules/.cache/iopf-conformance/${name}-${process.pid}.mjs`)
  try {
    await bundle(outfile)
    return await import(pathToFileURL(outfile).href)
  } finally {
    rmSync(outfile, { force: true })
  }
}

if (COMMANDS.includes(name)) {
  const { run } = await load()
  process.exitCode = await run(root, args)
} else {
  process.stderr.write(`conformance: no command ${name}: there are ${COMMANDS.join(', ')}\n`)
  process.exitCode = 2
}
