// SPDX-License-Identifier: MIT

export const MISBEHAVIOURS = [
  'none',
  'slow',
  'dies-after',
  'never-answers',
  'wrong-cookie',
  'invalid-code',
] as const
export type MisbehaviourKind = (typeof MISBEHAVIOURS)[number]

/** A handler that breaks the protocol on purpose, from some group on: what a machine must survive. */
export interface Misbehaviour {
  readonly kind: MisbehaviourKind
  /** Groups handled well before it starts. */
  readonly after: number
  /** What `slow` adds to each group, nanoseconds. */
  readonly delayNanos: number
}

export const WELL_BEHAVED: Misbehaviour = { kind: 'none', after: 0, delayNanos: 0 }
