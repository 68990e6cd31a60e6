// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { bytesSource } from '../handlers/page-source.ts'
import { DEFAULT_DEVICE, DEFAULT_HANDLER, scenarioOf } from './defaults.ts'
import type { Scenario } from './document.ts'
import type { RunResult } from './result.ts'
import { runScenario } from './run.ts'

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + 1) & 0xff)
}

async function copy(
  parts: Partial<Scenario>,
  length: number,
): Promise<{ result: RunResult; equal: boolean }> {
  const source = pattern(length)
  const destination = new Uint8Array(length)
  const result = await runScenario(scenarioOf(parts), {
    source: bytesSource(source),
    destination: bytesSource(destination),
    isTraced: false,
    checkpoint: () => Promise.resolve(true),
  })
  return { result, equal: Buffer.from(source).equals(destination) }
}

describe('runScenario', () => {
  it.each([0, 1, 4095, 4096, 4097, 100_000])(
    'copies %i bytes through memory that is not there',
    async (length) => {
      const { result, equal } = await copy({}, length)
      expect(equal).toBe(true)
      expect(result.bytes).toBe(length)
      expect(result.faults.groups).toBe(2 * Math.ceil(length / 4096))
      expect(result.faults.responses).toEqual({ success: result.faults.groups, invalid: 0, failure: 0 })
    },
  )

  it('does the same with a synchronous handler', async () => {
    const handler = { ...DEFAULT_HANDLER, style: 'sync' as const }
    const { equal } = await copy({ process: { handler } }, 100_000)
    expect(equal).toBe(true)
  })

  it('shares the address space with SVA', async () => {
    const handler = { ...DEFAULT_HANDLER, mode: 'sva' as const }
    const { result, equal } = await copy({ process: { handler } }, 100_000)
    expect(equal).toBe(true)
    expect(result.faults.responses.success).toBeGreaterThan(0)
  })

  it('evicts, writes back and brings in again under a resident limit', async () => {
    const handler = { ...DEFAULT_HANDLER, residentLimit: 16 * 4096 }
    const { result, equal } = await copy({ process: { handler } }, 400_000)
    expect(equal).toBe(true)
    expect(result.pager.evictions).toBeGreaterThan(100)
    expect(result.pager.residentBytesMax).toBe(16 * 4096)
  })

  it('asks for several pages in a group', async () => {
    const base = scenarioOf()
    const machine = { ...base.machine, devices: [{ ...DEFAULT_DEVICE, groupPages: 4 }] }
    const { result, equal } = await copy({ machine }, 100_000)
    expect(equal).toBe(true)
    expect(result.faults.pageRequests).toBeGreaterThan(result.faults.groups)
  })
})
