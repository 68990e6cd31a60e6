// SPDX-License-Identifier: MIT
import type { Value } from '../format/schema.ts'
import { type FuzzState, HOSTILE_ADDRESSES, PASIDS, type Queue } from './state.ts'

function deviceOf(state: FuzzState): Value {
  return state.oneOf(state.context?.devices.map(({ idev }) => idev) ?? [])
}

function pasidOfFault(state: FuzzState): bigint {
  const { random } = state
  return random.weighted([
    [6, 0n],
    [8, random.pick(PASIDS)],
    [1, random.pick([4n, 0x100000n, 0xffffffffn])],
  ])
}

function faultAddress(state: FuzzState): bigint {
  return BigInt(state.random.word()) * (state.random.oneIn(5) ? 0x1_0000_0001n : 1n)
}

export function trigger(state: FuzzState): void {
  const { random } = state
  const grpid = random.oneIn(20) ? BigInt(random.word()) : BigInt(random.below(4))
  const fields = {
    dev_id: deviceOf(state),
    pasid: pasidOfFault(state),
    grpid,
    perm: BigInt(random.below(16)),
  }
  state.push(state.test('TRIGGER_IOPF', { ...fields, addr: faultAddress(state) }))
}

/** Any fault, partial ones too: only the extended kernel can. */
export function report(state: FuzzState): void {
  const { random } = state
  const flags = (random.oneIn(3) ? 0n : 2n) | (random.oneIn(2) ? 1n : 0n) | (random.oneIn(8) ? 4n : 0n)
  const fields = {
    dev_id: deviceOf(state),
    type: random.oneIn(60) ? random.pick([0n, 2n]) : 1n,
    flags,
    pasid: pasidOfFault(state),
    grpid: random.oneIn(20) ? random.pick([511n, 512n, 0xffffffffn]) : BigInt(random.below(4)),
    perm: BigInt(random.below(16)),
    addr: faultAddress(state),
  }
  state.push(state.test('X_FAULT', fields))
}

export function counts(state: FuzzState): void {
  const sub = state.random.weighted([
    [6, 2n],
    [1, 0n],
    [1, 1n],
  ])
  state.push(state.test('X_QUEUE', { sub, dev_id: deviceOf(state) }))
}

export function responses(state: FuzzState): void {
  const list = Array.from({ length: 64 }, () => ({}))
  state.push(state.test('X_RESP_LOG', { uptr: { struct: 'x_response', list }, max: 64n }))
}

function queueOf(state: FuzzState): Queue | undefined {
  const queues = state.context?.queues ?? []
  return queues[state.random.below(Math.min(queues.length, state.random.oneIn(4) ? 9 : 2))]
}

export function poll(state: FuzzState): void {
  const queue = queueOf(state)
  if (queue !== undefined) state.push({ kind: 'poll', poll: queue.fd, ...state.where() })
}

export function readFaults(state: FuzzState): void {
  const { random } = state
  const queue = queueOf(state)
  if (queue === undefined) return
  const as = state.name('read')
  const count = random.weighted([
    [30, BigInt(40 * (1 + random.below(6)))],
    [4, BigInt(40 * random.below(60))],
    [2, BigInt(random.below(200))],
    [
      1,
      random.pick([0n, 0x7ffff000n, 0x80000000n, 40n << 26n, 40n << 31n, 1n << 63n, 0xffff_ffff_ffff_ffffn]),
    ],
  ])
  const at = state.oddly(8) ? { at: buffersEnd(state) } : {}
  state.push({ kind: 'read', read: queue.fd, count, as, ...at, ...state.where() })
  const records = Number(count < 0x4000n ? count / 40n : 409n)
  if (records > 0) queue.reads.push({ name: as, records: Math.min(records, 2) })
  if (queue.reads.length > 6) queue.reads.shift()
}

/** Near the end of the arena, or nowhere. */
function buffersEnd(state: FuzzState): bigint {
  const { random } = state
  return random.oneIn(3) ? random.pick(HOSTILE_ADDRESSES) : 0x1010_0000n - BigInt(random.below(200))
}

function cookieOf(state: FuzzState, queue: Queue): Value {
  const { random } = state
  if (queue.reads.length === 0 || random.oneIn(3)) return BigInt(random.below(6))
  const { name, records } = random.oneIn(2) ? random.pick(queue.reads) : random.pick(queue.reads.slice(-1))
  return `$${name}.${random.below(records)}.cookie`
}

export function writeResponses(state: FuzzState): void {
  const { random } = state
  const queue = queueOf(state)
  if (queue === undefined) return
  const records = Array.from({ length: 1 + random.below(3) }, () => ({
    cookie: cookieOf(state, queue),
    code: random.oneIn(12) ? BigInt(random.below(4)) : BigInt(random.below(2)),
  }))
  const count = state.oddly(8) ? { count: BigInt(random.below(30)) } : {}
  const at = state.oddly(10) ? { at: buffersEnd(state) } : {}
  state.push({ kind: 'write', write: queue.fd, records, ...count, ...at, ...state.where() })
}

export function closeQueue(state: FuzzState): void {
  const queue = queueOf(state)
  if (queue !== undefined) state.push({ kind: 'close', close: queue.fd, ...state.where() })
}
