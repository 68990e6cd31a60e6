// SPDX-License-Identifier: MIT
/**
 * A linear memory and the two bulk instructions on it. The module is assembled by hand: it imports the memory as
 * `m.m` and exports `c` (memory.copy: to, from, bytes) and `f` (memory.fill: to, value, bytes); addresses are
 * unsigned 32 bits.
 */
export interface BulkMemory {
  readonly kind: 'wasm-shared' | 'wasm' | 'array'
  readonly buffer: ArrayBufferLike
  readonly copy: (to: number, from: number, bytes: number) => void
  readonly fill: (to: number, value: number, bytes: number) => void
}

export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

export interface WasmExports {
  readonly c: (to: number, from: number, bytes: number) => void
  readonly f: (to: number, value: number, bytes: number) => void
}

export interface WasmApi {
  readonly Memory: new (options: { initial: number; maximum: number; shared: boolean }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: { m: { m: WasmMemory } },
  ) => { readonly exports: WasmExports }
}

const WASM_PAGE_BYTES = 65536
const LIMITS_MAX = '01'
const LIMITS_MAX_SHARED = '03'

/** The module's sections in hexadecimal, up to the memory's limits and after them. */
const BEFORE_LIMITS =
  '0061736d01000000' + // magic, version 1
  '0107016003 7f7f7f 00' + // type 0: (i32, i32, i32) -> ()
  '020b 01 016d 016d 02' // import m.m, a memory
const AFTER_LIMITS =
  '00 808004' + // 0 to 65536 pages
  '0303020000' + // two functions of type 0
  '0709020163 00000166 0001' + // exports c and f
  '0a1a02' + // two bodies
  '0c00 2000 2001 2002 fc0a0000 0b' + // memory.copy
  '0b00 2000 2001 2002 fc0b00 0b' // memory.fill

function moduleBytes(limits: string): Uint8Array {
  const digits = (BEFORE_LIMITS + limits + AFTER_LIMITS).replaceAll(' ', '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16),
  )
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

/** WebAssembly of this host, if it has any. */
export function hostWasm(): WasmApi | undefined {
  const scope: { readonly Object: unknown; readonly WebAssembly?: WasmApi } = globalThis
  return scope.WebAssembly
}

/** Zeroed memory of at least `bytes`: shared WebAssembly memory where it is allowed, else unshared, else an array. */
export function createBulkMemory(bytes: number, api: WasmApi | undefined): BulkMemory {
  if (api === undefined) return plainArray(bytes)
  return tryWasm(api, bytes, true) ?? tryWasm(api, bytes, false) ?? plainArray(bytes)
}
