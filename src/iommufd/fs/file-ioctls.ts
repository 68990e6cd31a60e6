// SPDX-License-Identifier: MIT
import { ENOTTY } from '../../base/errno.ts'
import type { Caller } from '../files.ts'
import { FIGETBSZ, FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, O_NONBLOCK } from './constants.ts'

const WORD_BYTES = 4
const BLOCK_BYTES = 4096

/**
 * The ioctls that every file answers in the same way, before the file itself is asked; `undefined`: not one of them.
 * EFAULT; ENOTTY: FIOASYNC, which none of our files can.
 */
export function fileIoctl(
  caller: Caller,
  fd: number,
  number: number,
  hi: number,
  lo: number,
): number | undefined {
  switch (number) {
    case FIOCLEX:
    case FIONCLEX:
      caller.files.setCloseOnExec(fd, number === FIOCLEX)
      return 0
    case FIONBIO: {
      const file = caller.files.get(fd)
      file.flags = loadWord(caller, hi, lo) === 0 ? file.flags & ~O_NONBLOCK : file.flags | O_NONBLOCK
      return 0
    }
    case FIOASYNC:
      if (loadWord(caller, hi, lo) !== 0) throw ENOTTY
      return 0
    case FIGETBSZ:
      storeWord(caller, hi, lo, BLOCK_BYTES)
      return 0
    default:
      return undefined
  }
}

function loadWord(caller: Caller, hi: number, lo: number): number {
  const bytes = new Uint8Array(WORD_BYTES)
  caller.memory.copyIn(hi, lo, bytes, 0, WORD_BYTES)
  return new DataView(bytes.buffer).getInt32(0, true)
}

/** EFAULT. */
export function storeWord(caller: Caller, hi: number, lo: number, value: number): void {
  const bytes = new Uint8Array(WORD_BYTES)
  new DataView(bytes.buffer).setInt32(0, value, true)
  caller.memory.copyOut(hi, lo, bytes, 0, WORD_BYTES)
}
