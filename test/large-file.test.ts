// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const GIB = 2 ** 30
const BLOCK = Uint8Array.from({ length: 2 ** 20 }, (_, index) => (index * 131 + (index >> 10)) & 0xff)

describe('a sparse file of 1 GiB', () => {
  let folder = ''
  let file = ''

  /** Holes, with a block of data every 100 MB and in the last bytes. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-large-'))
    file = join(folder, 'sparse.bin')
    const fd = openSync(file, 'w')
    ftruncateSync(fd, GIB)
    for (let at = 0; at < GIB; at += 100_000_000) writeSync(fd, BLOCK, 0, BLOCK.length, at)
    writeSync(fd, BLOCK, 0, 100, GIB - 100)
    closeSync(fd)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('arrives whole, in less than 500 MB of memory', { timeout: 300_000 }, () => {
    const preload = new URL('support/max-rss.mjs', import.meta.url).href
    const settings = [`workload.source=${file}`, 'workload.chunk=1MiB', 'process.handler.faultAround=15']
    const words = ['simulate', 'examples/demand-paging.yaml', '--json', '--quiet'].concat(
      settings.flatMap((setting) => ['--set', setting]),
    )
    const child = spawnSync(process.execPath, ['--import', preload, 'dist/cli/main.js'].concat(words), {
      encoding: 'utf8',
    })
    expect(child.stderr).toMatch(/max-rss \d+/)
    expect(child.status).toBe(0)
    const report = JSON.parse(child.stdout)
    expect(report.bytes).toBe(GIB)
    expect(report.digests.destination).toBe(report.digests.source)
    const maxRssKib = Number(/max-rss (\d+)/.exec(child.stderr)?.[1])
    expect(maxRssKib * 1024).toBeLessThan(500e6)
  })
})
