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

test.each([true, false])(
  'multiples of 128 bytes are copied by vectors, and nothing beside them (WebAssembly: %s)',
  (wasm) => {
    const memory = createBulkMemory(65536, wasm ? hostWasm() : undefined)
    const bytes = new Uint8Array(memory.buffer).map((_, i) => (i * 7) & 0xff)
    new Uint8Array(memory.buffer).set(bytes)
    for (const [to, from, length] of [
      [4096, 8192, 128],
      [20_001, 40_003, 4096],
      [65_536 - 256, 0, 256],
    ] as const) {
      memory.copyCached(to, from, length)
      bytes.copyWithin(to, from, from + length)
      expect(new Uint8Array(memory.buffer)).toEqual(bytes)
    }
  },
)
