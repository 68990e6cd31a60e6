// SPDX-License-Identifier: MIT
/** What stat(2) tells of a device file of ours. */
import type { Node } from './nodes.ts'

const MODE = 0o020666
const BLOCK_BYTES = 4096
/** Of the file system that the device files are on. */
const DEVICE_MAJOR = 0
const DEVICE_MINOR = 6
const STAT_BYTES = 144
const STAT_I386_BYTES = 96
const STATX_BYTES = 256
/** Everything but the time of birth. */
const STATX_BASIC = 0x7ff

/** Seconds at which the device files appeared. */
const SINCE: number = Math.floor(Date.now() / 1000)

/** struct stat of x86-64. Returns its length. */
export function writeStat(view: DataView, at: number, node: Node): number {
  clear(view, at, STAT_BYTES)
  view.setUint32(at, deviceNumber(DEVICE_MAJOR, DEVICE_MINOR), true)
  view.setUint32(at + 8, inodeOf(node), true)
  view.setUint32(at + 16, 1, true)
  view.setUint32(at + 24, MODE, true)
  view.setUint32(at + 40, deviceNumber(node.major, node.minor), true)
  view.setUint32(at + 56, BLOCK_BYTES, true)
  for (const time of [72, 88, 104]) view.setUint32(at + time, SINCE, true)
  return STAT_BYTES
}

/** struct stat64 of i386. */
export function writeStatI386(view: DataView, at: number, node: Node): number {
  clear(view, at, STAT_I386_BYTES)
  view.setUint32(at, deviceNumber(DEVICE_MAJOR, DEVICE_MINOR), true)
  view.setUint32(at + 12, inodeOf(node), true)
  view.setUint32(at + 16, MODE, true)
  view.setUint32(at + 20, 1, true)
  view.setUint32(at + 32, deviceNumber(node.major, node.minor), true)
  view.setUint32(at + 52, BLOCK_BYTES, true)
  for (const time of [64, 72, 80]) view.setUint32(at + time, SINCE, true)
  view.setUint32(at + 88, inodeOf(node), true)
  return STAT_I386_BYTES
}

/** struct statx. */
export function writeStatx(view: DataView, at: number, node: Node): number {
  clear(view, at, STATX_BYTES)
  view.setUint32(at, STATX_BASIC, true)
  view.setUint32(at + 4, BLOCK_BYTES, true)
  view.setUint32(at + 16, 1, true)
  view.setUint16(at + 28, MODE, true)
  view.setUint32(at + 32, inodeOf(node), true)
  for (const time of [64, 96, 112]) view.setUint32(at + time, SINCE, true)
  view.setUint32(at + 128, node.major, true)
  view.setUint32(at + 132, node.minor, true)
  view.setUint32(at + 136, DEVICE_MAJOR, true)
  view.setUint32(at + 140, DEVICE_MINOR, true)
  return STATX_BYTES
}

/** As the kernel packs it for user space. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
}

function inodeOf({ major, minor }: Node): number {
  return major * 4096 + minor
}

function clear(view: DataView, at: number, bytes: number): void {
  new Uint8Array(view.buffer, at, bytes).fill(0)
}
