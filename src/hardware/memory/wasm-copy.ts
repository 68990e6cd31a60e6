// SPDX-License-Identifier: MIT
/**
 * A linear memory and the two bulk instructions on it. The module is assembled by hand: it imports the memory as
 * `m.m` and exports `c` (memory.copy: to, from, bytes) and `f` (memory.fill: to, value, bytes); addresses are
 * unsigned 32 bits.
 */
export interface BulkMemory {
  readonly kind: 'wasm-shared' | 'wasm' | 'array'
  readonly buffer: ArrayBufferLike
  copy(to: number, from: number, bytes: number): void
  fill(to: number, value: number, bytes: number): void
}

interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

interface WasmExports {
  c(to: number, from: number, bytes: number): void
  f(to: number, value: number, bytes: number): void
}

interface WasmApi {
  readonly Memory: new (options: { initial: number; maximum: number; shared: boolean }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: { m: { m: WasmMemory } },
  ) => { readonly exports: WasmExports }
}

const WASM_PAGE_BYTES = 65536
const LIMITS_MAX = 0x01
const LIMITS_MAX_SHARED = 0x03

function moduleBytes(limits: number): Uint8Array {
  // biome-ignore format: one line a section
  return new Uint8Array([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00, // magic, version 1
    0x01,
    0x07,
    0x01,
    0x60,
    0x03,
    0x7f,
    0x7f,
    0x7f,
    0x00, // type 0: (i32, i32, i32) -> ()
    0x02,
    0x0b,
    0x01,
    0x01,
    0x6d,
    0x01,
    0x6d,
    0x02,
    limits,
    0x00,
    0x80,
    0x80,
    0x04, // import m.m: 0 to 65536 pages
    0x03,
    0x03,
    0x02,
    0x00,
    0x00, // two functions of type 0
    0x07,
    0x09,
    0x02,
    0x01,
    0x63,
    0x00,
    0x00,
    0x01,
    0x66,
    0x00,
    0x01, // export c, f
    0x0a,
    0x1a,
    0x02, // two bodies
    0x0c,
    0x00,
    0x20,
    0x00,
    0x20,
    0x01,
    0x20,
    0x02,
    0xfc,
    0x0a,
    0x00,
    0x00,
    0x0b, // memory.copy
    0x0b,
    0x00,
    0x20,
    0x00,
    0x20,
    0x01,
    0x20,
    0x02,
    0xfc,
    0x0b,
    0x00,
    0x0b, // memory.fill
  ])
}

function tryWasm(api: WasmApi, bytes: number, shared: boolean): BulkMemory | undefined {
  try {
    const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
    const memory = new api.Memory({ initial: pages, maximum: pages, shared })
    const module = new api.Module(moduleBytes(shared ? LIMITS_MAX_SHARED : LIMITS_MAX))
    const { c, f } = new api.Instance(module, { m: { m: memory } }).exports
    return { kind: shared ? 'wasm-shared' : 'wasm', buffer: memory.buffer, copy: c, fill: f }
  } catch {
    return undefined
  }
}

function plainArray(bytes: number): BulkMemory {
  const buffer = new ArrayBuffer(bytes)
  const all = new Uint8Array(buffer)
  return {
    kind: 'array',
    buffer,
    copy: (to, from, length) => void all.copyWithin(to >>> 0, from >>> 0, (from >>> 0) + length),
    fill: (to, value, length) => void all.fill(value, to >>> 0, (to >>> 0) + length),
  }
}

/** Zeroed memory of at least `bytes`: shared WebAssembly memory where it is allowed, else unshared, else an array. */
export function createBulkMemory(bytes: number, wasm: boolean): BulkMemory {
  const api = (globalThis as { WebAssembly?: WasmApi }).WebAssembly
  if (!wasm || api === undefined) return plainArray(bytes)
  return tryWasm(api, bytes, true) ?? tryWasm(api, bytes, false) ?? plainArray(bytes)
}
