// SPDX-License-Identifier: MIT
/** Where a scenario's data lies in each I/O address space: the source from 4 GiB on, the destination behind it. */
export const SOURCE_IOVA = 0x1_0000_0000n

const GAP_BYTES = 2n * 2n ** 20n

/** First byte of the destination, at a 2 MiB boundary with a hole before it. */
export function destinationIova(lengthBytes: number): bigint {
  return SOURCE_IOVA + ((BigInt(lengthBytes) + GAP_BYTES - 1n) / GAP_BYTES) * GAP_BYTES + GAP_BYTES
}
