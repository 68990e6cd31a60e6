// SPDX-License-Identifier: MIT
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadScenario } from '../src/cli/scenario/load.ts'
import type { PageOutcome } from './browser/page.ts'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const present = existsSync(CHROMIUM)
if (!present)
  console.log(`skipped: no Chromium at ${CHROMIUM} (Debian: apt-get install chromium; or set CHROMIUM)`)

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** With the headers that give a page shared memory. */
function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    const wantsScript = request.url === '/page.js'
    response.setHeader('Content-Type', wantsScript ? 'text/javascript' : 'text/html')
    response.end(wantsScript ? script : '<!doctype html><title>iopf</title><script src="/page.js"></script>')
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

describe.skipIf(!present)('the core in a browser', () => {
  let script = ''
  const { scenario } = loadScenario('examples/demand-paging.yaml', [])

  beforeAll(async () => {
    const bundle = await build({
      entryPoints: ['test/browser/page.ts'],
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'iife',
      target: 'es2023',
    })
    script = bundle.outputFiles[0]!.text
  })

  let server: Server | undefined
  afterAll(() => void server?.close())

  async function runPage(prelude: string): Promise<PageOutcome> {
    server = await serve(script)
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
    try {
      const page = await browser.newPage()
      await page.addInitScript(prelude)
      await page.goto(`http://127.0.0.1:${port}/`)
      return await page.evaluate<PageOutcome>(`copyInBrowser(${JSON.stringify(scenario)})`)
    } finally {
      await browser.close()
      server.close()
    }
  }

  it('bundles without a Node module', () => {
    expect(script.length).toBeGreaterThan(10_000)
    expect(script).not.toMatch(/require\("node:|from "node:/)
  })

  it('copies through page faults on shared WebAssembly memory', async () => {
    const { result, equal, memoryKind } = await runPage('')
    expect(memoryKind).toBe('wasm-shared')
    expect(equal).toBe(true)
    expect(result.bytes).toBe(300_001)
    expect(result.faults.groups).toBeGreaterThan(0)
    expect(result.faults.responses.success).toBe(result.faults.groups)
  })

  it('copies through page faults where there is no WebAssembly', async () => {
    const { equal, memoryKind } = await runPage('delete globalThis.WebAssembly')
    expect(memoryKind).toBe('array')
    expect(equal).toBe(true)
  })
})
