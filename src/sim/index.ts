// SPDX-License-Identifier: MIT
/** Package subpath `iopf/sim`: virtual time, decisions, steps. */
export { Alarm, Clock } from './clock.ts'
export {
  type DecisionLog,
  type Decisions,
  defaultDecisions,
  recordingDecisions,
  replayDecisions,
  ReplayDivergence,
  seededDecisions,
  type SeededOptions,
} from './decisions.ts'
export { Failpoints, sweepFailures } from './failpoint.ts'
export { Gate } from './gate.ts'
export { Rng } from './rng.ts'
export { Deadlock, Scheduler } from './scheduler.ts'
export { Task } from './task.ts'
export { Work, WorkQueue } from './work-queue.ts'
