// SPDX-License-Identifier: MIT
/** What stat(2) tells of a device file of ours. */
import type { FileIdentity } from '../sys/system.ts'
import type { Node } from './node-tree.ts'

const MODE = 0o020666
const FOLDER_MODE = 0o040755
const BLOCK_BYTES = 4096
/** Of the file system that the device files are on. */
const DEVICE_MAJOR = 0
const DEVICE_MINOR = 6
const STAT_BYTES = 144
const STAT_I386_BYTES = 96
const STATX_BYTES = 256
/** Everything but the time of birth. */
const STATX_BASIC = 0x7ff

/** What stat(2) is asked about. */
export interface Looked {
  readonly mode: number
  readonly major: number
  readonly minor: number
  readonly identity: FileIdentity
}

export function lookedAt({ major, minor }: Node): Looked {
  const identity = { device: deviceNumber(DEVICE_MAJOR, DEVICE_MINOR), inode: major * 4096 + minor }
  return { mode: MODE, major, minor, identity }
}

export function folderLookedAt(identity: FileIdentity): Looked {
  return { mode: FOLDER_MODE, major: 0, minor: 0, identity }
}

/** Seconds at which the device files appeared. */
const SINCE: number = Math.floor(Date.now() / 1000)

/** struct stat of x86-64. Returns its length. */
export function writeStat(view: DataView, at: number, looked: Looked): number {
  clear(view, at, STAT_BYTES)
  view.setUint32(at, looked.identity.device, true)
  view.setUint32(at + 8, looked.identity.inode, true)
  view.setUint32(at + 16, 1, true)
  view.setUint32(at + 24, looked.mode, true)
  view.setUint32(at + 40, deviceNumber(looked.major, looked.minor), true)
  view.setUint32(at + 56, BLOCK_BYTES, true)
  for (const time of [72, 88, 104]) view.setUint32(at + time, SINCE, true)
  return STAT_BYTES
}

/** struct stat64 of i386. */
export function writeStatI386(view: DataView, at: number, looked: Looked): number {
  clear(view, at, STAT_I386_BYTES)
  view.setUint32(at, looked.identity.device, true)
  view.setUint32(at + 12, looked.identity.inode, true)
  view.setUint32(at + 16, looked.mode, true)
  view.setUint32(at + 20, 1, true)
  view.setUint32(at + 32, deviceNumber(looked.major, looked.minor), true)
  view.setUint32(at + 52, BLOCK_BYTES, true)
  for (const time of [64, 72, 80]) view.setUint32(at + time, SINCE, true)
  view.setUint32(at + 88, looked.identity.inode, true)
  return STAT_I386_BYTES
}

/** struct statx. */
export function writeStatx(view: DataView, at: number, looked: Looked): number {
  clear(view, at, STATX_BYTES)
  view.setUint32(at, STATX_BASIC, true)
  view.setUint32(at + 4, BLOCK_BYTES, true)
  view.setUint32(at + 16, 1, true)
  view.setUint16(at + 28, looked.mode, true)
  view.setUint32(at + 32, looked.identity.inode, true)
  for (const time of [64, 96, 112]) view.setUint32(at + time, SINCE, true)
  view.setUint32(at + 128, looked.major, true)
  view.setUint32(at + 132, looked.minor, true)
  view.setUint32(at + 136, (looked.identity.device >>> 8) & 0xfff, true)
  view.setUint32(at + 140, looked.identity.device & 0xff, true)
  return STATX_BYTES
}

/** As the kernel packs it for user space. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
}

function clear(view: DataView, at: number, bytes: number): void {
  new Uint8Array(view.buffer, at, bytes).fill(0)
}
