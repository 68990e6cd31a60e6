// SPDX-License-Identifier: MIT
/** The listener of a filter: notifications in, answers out (seccomp_unotify(2)). */
import { toNumber } from '../../base/u64.ts'
import { ENOENT } from '../sys/numbers.ts'
import type { System } from '../sys/system.ts'

const NOTIF_RECV = 0xc0502100
const NOTIF_SEND = 0xc0182101
const NOTIF_ID_VALID = 0x40082102
const NOTIF_ADDFD = 0x40182103
const NOTIF_SET_FLAGS = 0x40082104
const FLAG_CONTINUE = 1
const FLAG_SYNC_WAKE_UP = 1
const ADDFD_SETFD = 1
const ADDFD_SEND = 2

const NOTIFICATION_BYTES = 80
const ANSWER_BYTES = 24
const ID_BYTES = 8

/** For seccomp(2): a listener, and notified calls that only fatal signals interrupt. */
export const FILTER_FLAGS: number = (1 << 3) | (1 << 5)

export interface NewDescriptor {
  /** The supervisor's own descriptor: the program gets another one of the same file. */
  readonly source: number
  readonly closeOnExec: boolean
  /** The number. Left out: the lowest free one. */
  readonly number?: number
  /** The call is answered with the number. */
  readonly answers?: boolean
}

/** The system call that waits for an answer. One at a time. */
export class Listener {
  readonly fd: number
  /** Arguments: two int32 each. */
  readonly argumentsHi: Int32Array = new Int32Array(6)
  readonly argumentsLo: Int32Array = new Int32Array(6)
  tid = 0
  number = 0
  arch = 0
  readonly #system: System
  readonly #notification: number
  readonly #answer: number
  readonly #descriptor: number
  readonly #zeros: Uint8Array = new Uint8Array(NOTIFICATION_BYTES)

  constructor(system: System, fd: number) {
    this.fd = fd
    this.#system = system
    this.#notification = system.arena.allocate(NOTIFICATION_BYTES)
    this.#answer = system.arena.allocate(ANSWER_BYTES)
    this.#descriptor = system.arena.allocate(ANSWER_BYTES)
    system.ioctlValue(fd, NOTIF_SET_FLAGS, FLAG_SYNC_WAKE_UP)
  }

  /** Takes a call. `false`: its thread is gone. */
  receive(): boolean {
    const { bytes, view } = this.#system.arena
    const at = this.#notification
    bytes.set(this.#zeros, at)
    if (this.#system.ioctl(this.fd, NOTIF_RECV, at) < 0) return false
    this.tid = view.getInt32(at + 8, true)
    this.number = view.getInt32(at + 16, true)
    this.arch = view.getUint32(at + 20, true)
    for (let i = 0; i < 6; i++) {
      this.argumentsLo[i] = view.getInt32(at + 32 + 8 * i, true)
      this.argumentsHi[i] = view.getInt32(at + 36 + 8 * i, true)
    }
    return true
  }

  /** An argument as a number; exact below 2^53. */
  argument(index: number): number {
    return toNumber(this.argumentsHi[index]!, this.argumentsLo[index]!)
  }

  /** An argument as the C type int. */
  int(index: number): number {
    return this.argumentsLo[index]!
  }

  /** Whether the thread still waits: what was read of it since is its own. */
  get valid(): boolean {
    this.#copyId(this.#descriptor)
    return this.#system.ioctl(this.fd, NOTIF_ID_VALID, this.#descriptor) === 0
  }

  /** Answers with a result, or with minus an errno. */
  answer(result: number): void {
    const { view } = this.#system.arena
    const at = this.#answer
    this.#copyId(at)
    const value = result < 0 ? 0 : result
    view.setUint32(at + ID_BYTES, value >>> 0, true)
    view.setUint32(at + 12, Math.floor(value / 4294967296), true)
    view.setInt32(at + 16, result < 0 ? result : 0, true)
    view.setUint32(at + 20, 0, true)
    this.#system.ioctl(this.fd, NOTIF_SEND, at)
  }

  /** The kernel carries the call out as if nobody had looked. */
  proceed(): void {
    const { bytes, view } = this.#system.arena
    const at = this.#answer
    this.#copyId(at)
    bytes.fill(0, at + ID_BYTES, at + ANSWER_BYTES)
    view.setUint32(at + 20, FLAG_CONTINUE, true)
    this.#system.ioctl(this.fd, NOTIF_SEND, at)
  }

  /** Opens a descriptor in the program: its number, or minus an errno. -ENOENT: the thread is gone. */
  addDescriptor({ source, closeOnExec, number, answers = false }: NewDescriptor): number {
    const { view } = this.#system.arena
    const at = this.#descriptor
    this.#copyId(at)
    const flags = (number === undefined ? 0 : ADDFD_SETFD) | (answers ? ADDFD_SEND : 0)
    view.setUint32(at + ID_BYTES, flags, true)
    view.setUint32(at + 12, source, true)
    view.setUint32(at + 16, number ?? 0, true)
    view.setUint32(at + 20, closeOnExec ? 0o2000000 : 0, true)
    return this.#system.ioctl(this.fd, NOTIF_ADDFD, at)
  }

  #copyId(to: number): void {
    this.#system.arena.bytes.copyWithin(to, this.#notification, this.#notification + ID_BYTES)
  }
}

/** Whether an answer of `addDescriptor` means that nobody waits any more. */
export function isGone(result: number): boolean {
  return result === -ENOENT
}
