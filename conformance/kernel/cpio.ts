// SPDX-License-Identifier: MIT
/** An archive in the "newc" format, as the kernel unpacks it into its first file system. */

export interface CpioEntry {
  readonly path: string
  /** Type and permissions, as st_mode. */
  readonly mode: number
  readonly bytes?: Uint8Array
  /** Major and minor number of a device node. */
  readonly device?: readonly [major: number, minor: number]
}

export function encodeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => encodeEntry(entry, index + 1))
  return Buffer.concat([...parts, ...encodeEntry({ path: 'TRAILER!!!', mode: 0 }, 0)])
}

function encodeEntry(
  { path, mode, bytes = new Uint8Array(), device = [0, 0] }: CpioEntry,
  inode: number,
): Buffer[] {
  const name = Buffer.from(`${path}\0`)
  const numbers = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, device[0], device[1], name.length, 0]
  const header = `070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(bytes)]
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}
