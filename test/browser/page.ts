// SPDX-License-Identifier: MIT
/** Runs in the page: the demand-paging scenario on the core, bundled without any Node module. */
import { bytesSource } from '../../src/handlers/page-source.ts'
import { PhysicalMemory } from '../../src/hardware/memory.ts'
import type { Scenario } from '../../src/scenario/document.ts'
import type { RunResult } from '../../src/scenario/result.ts'
import { runScenario } from '../../src/scenario/run.ts'

export interface PageOutcome {
  readonly result: RunResult
  readonly equal: boolean
  readonly memoryKind: string
}

/** 300 000 bytes and a partial last page, copied by a device through memory that is not there. */
async function copyInBrowser(scenario: Scenario): Promise<PageOutcome> {
  const source = Uint8Array.from({ length: 300_001 }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
  const destination = new Uint8Array(source.length)
  const result = await runScenario(scenario, {
    source: bytesSource(source),
    destination: bytesSource(destination),
    isTraced: false,
    checkpoint: () => Promise.resolve(true),
  })
  const equal = source.every((byte, index) => byte === destination[index])
  return { result, equal, memoryKind: new PhysicalMemory({ bytes: 4096 }).kind }
}

Object.assign(globalThis, { copyInBrowser })
