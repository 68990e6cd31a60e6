// SPDX-License-Identifier: MIT
/**
 * A linear memory and bulk instructions on it. The module is assembled by hand: it imports the memory as `m.m` and
 * exports `c` (memory.copy: to, from, bytes), `f` (memory.fill: to, value, bytes) and `v` (to, from, bytes: by vectors,
 * in line); addresses are unsigned 32 bits.
 */
export interface BulkMemory {
  readonly kind: 'wasm-shared' | 'wasm' | 'array'
  readonly buffer: ArrayBufferLike
  readonly copy: (to: number, from: number, bytes: number) => void
  /** The same for a multiple of 128 bytes, above 0, that do not overlap: faster than `copy` where they are cached. */
  readonly copyCached: (to: number, from: number, bytes: number) => void
  readonly fill: (to: number, value: number, bytes: number) => void
}

export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

export interface WasmExports {
  readonly c: (to: number, from: number, bytes: number) => void
  readonly f: (to: number, value: number, bytes: number) => void
  readonly v: (to: number, from: number, bytes: number) => void
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
  '030403000000' + // three functions of type 0
  '070d03 01630000 01660001 01760002' // exports c, f and v
const COPY = '00 2000 2001 2002 fc0a0000 0b'
const FILL = '00 2000 2001 2002 fc0b00 0b'
/** 128 bytes at a time: eight vectors loaded, then stored. Local 3 is the end, 4 to 11 are the vectors. */
const COPY_CACHED =
  '02 017f 087b' +
  '2000 2002 6a 2103' + // end = to + bytes
  '0340' + // loop
  vectors((offset, local) => `2001 fd0004${offset} 21${local}`) +
  vectors((offset, local) => `2000 20${local} fd0b04${offset}`) +
  '2001 418001 6a 2101' + // from += 128
  '2000 418001 6a 2200' + // to += 128
  '2003 47 0d00 0b 0b' // again unless to = end

function vectors(instructions: (offset: string, local: string) => string): string {
  return Array.from({ length: 8 }, (_, i) => instructions(byte(16 * i), byte(4 + i))).join('')
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

/** Size and digits of a section or body. */
function sized(digits: string): string {
  const plain = digits.replaceAll(' ', '')
  const bytes = plain.length / 2
  return (bytes < 128 ? byte(bytes) : byte((bytes & 127) | 128) + byte(bytes >> 7)) + plain
}

function moduleBytes(limits: string): Uint8Array {
  const code = `0a${sized(`03${sized(COPY)}${sized(FILL)}${sized(COPY_CACHED)}`)}`
  const digits = (BEFORE_LIMITS + limits + AFTER_LIMITS + code).replaceAll(' ', '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16),
  )
}

function tryWasm(api: WasmApi, bytes: number, shared: boolean): BulkMemory | undefined {
  try {
    const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
    const memory = new api.Memory({ initial: pages, maximum: pages, shared })
    const module = new api.Module(moduleBytes(shared ? LIMITS_MAX_SHARED : LIMITS_MAX))
    const { c, f, v } = new api.Instance(module, { m: { m: memory } }).exports
    return { kind: shared ? 'wasm-shared' : 'wasm', buffer: memory.buffer, copy: c, copyCached: v, fill: f }
  } catch {
    return undefined
  }
}

function plainArray(bytes: number): BulkMemory {
  const buffer = new ArrayBuffer(bytes)
  const all = new Uint8Array(buffer)
  const copy = (to: number, from: number, length: number): void =>
    void all.copyWithin(to >>> 0, from >>> 0, (from >>> 0) + length)
  return {
    kind: 'array',
    buffer,
    copy,
    copyCached: copy,
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
