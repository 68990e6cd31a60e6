// SPDX-License-Identifier: MIT
export { AsyncFaultLoop } from './async-fault-loop.ts'
export {
  FaultLoop,
  type FaultLoopCosts,
  type FaultLoopOptions,
  type LoopCounts,
  type PagerRoute,
} from './fault-loop.ts'
export { FaultRecords, Responses } from './fault-records.ts'
export { MISBEHAVIOURS, type Misbehaviour, type MisbehaviourKind, WELL_BEHAVED } from './misbehaviour.ts'
export { bytesSource, functionSource, type PageSource, partOfSource, zeroSource } from './page-source.ts'
export { Pager, type PagerCosts, type PagerOptions, type PagerRegion } from './pager.ts'
export { ResidentSet, type SlotOwner } from './resident-set.ts'
