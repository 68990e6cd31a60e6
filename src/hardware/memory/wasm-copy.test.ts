// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { createBulkMemory, hostWasm, type WasmApi, type WasmMemory } from './wasm-copy.ts'

test('memory that is refused shared is made unshared, and without WebAssembly it is an array', () => {
  const real = hostWasm()!
  const isolated: WasmApi = {
    ...real,
    Module: real.Module,
    Instance: real.Instance,
    Memory: new Proxy(real.Memory, {
      construct: (target, [options]: [{ initial: number; maximum: number; shared: boolean }]): WasmMemory => {
        if (options.shared) throw new TypeError('no shared memory here')
        return new target(options)
      },
    }),
  }
  const unshared = createBulkMemory(65536, isolated)
  expect(unshared.kind).toBe('wasm')
  const bytes = new Uint8Array(unshared.buffer)
  bytes[5] = 9
  unshared.copy(100, 5, 1)
  unshared.fill(200, 7, 2)
  expect([bytes[100], ...bytes.subarray(199, 203)]).toEqual([9, 0, 7, 7, 0])
  expect(createBulkMemory(65536, undefined).kind).toBe('array')
})
