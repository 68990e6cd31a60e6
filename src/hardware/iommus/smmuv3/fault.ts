// SPDX-License-Identifier: MIT
import { CLASS_IN } from './layout-queues.ts'

/** Why a transaction could not be translated: written by whoever refuses, read before the next one is asked. */
export class Refusal {
  /** EVT_; 0: aborted without an event. */
  event = 0
  /** CLASS_: what was being accessed. */
  class: number = CLASS_IN
  /** Stage 2 refused. */
  stage2 = false
  /** Of a stage-2 fault; or the address that could not be fetched. */
  ipaHi = 0
  ipaLo = 0

  /** Without an address of its own. */
  set(event: number, kind: number = CLASS_IN): number {
    this.event = event
    this.class = kind
    this.stage2 = false
    this.ipaHi = this.ipaLo = 0
    return event
  }

  setStage2(event: number, kind: number, ipaHi: number, ipaLo: number): number {
    this.event = event
    this.class = kind
    this.stage2 = true
    this.ipaHi = ipaHi
    this.ipaLo = ipaLo
    return event
  }

  /** A structure that could not be fetched. */
  setFetch(event: number, hi: number, lo: number): number {
    this.set(event)
    this.ipaHi = hi
    this.ipaLo = lo
    return event
  }
}
