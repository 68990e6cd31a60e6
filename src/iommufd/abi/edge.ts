// SPDX-License-Identifier: MIT
import { hiOf, loOf, toBigint } from '../../base/u64.ts'
import { HwptPageResponse, HwptPgfault } from './layouts.gen.ts'

/** A struct with a 64-bit field `name`, kept as its two int32. */
export type WithU64<N extends string> = { [half in `${N}_hi` | `${N}_lo`]: number }

/** A 64-bit field as an unsigned bigint: `getU64(map, 'iova')`. */
export function getU64<N extends string>(struct: WithU64<N>, name: N): bigint {
  const halves = struct as Record<string, number>
  return toBigint(halves[`${name}_hi`]!, halves[`${name}_lo`]!)
}

/** Sets a 64-bit field (modulo 2^64): `setU64(map, 'iova', 0x1000n)`. */
export function setU64<N extends string>(struct: WithU64<N>, name: N, value: bigint): void {
  const halves = struct as Record<string, number>
  halves[`${name}_hi`] = hiOf(value)
  halves[`${name}_lo`] = loOf(value)
}

/** The whole records in `lengthBytes` bytes that a fault descriptor returned. */
export function decodeFaults(bytes: Uint8Array, lengthBytes: number = bytes.length): HwptPgfault[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: HwptPgfault[] = []
  for (let at = 0; at + HwptPgfault.SIZE <= lengthBytes; at += HwptPgfault.SIZE)
    records.push(HwptPgfault.decode(view, at, new HwptPgfault()))
  return records
}

/** Answers as the bytes that a fault descriptor takes. */
export function encodeResponses(
  responses: readonly { readonly cookie: number; readonly code: number }[],
): Uint8Array {
  const bytes = new Uint8Array(responses.length * HwptPageResponse.SIZE)
  const view = new DataView(bytes.buffer)
  const record = new HwptPageResponse()
  for (const [index, response] of responses.entries()) {
    record.cookie = response.cookie
    record.code = response.code
    record.encode(view, index * HwptPageResponse.SIZE)
  }
  return bytes
}
