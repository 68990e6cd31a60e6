// SPDX-License-Identifier: MIT
/** Package subpath `iopf/trace`: events, histograms, trace files. */
export {
  type ArgumentKind,
  type Category,
  type EventDefinition,
  EVENT_DEFINITIONS,
  type EventName,
  EVENT_NAMES,
  EVENTS,
  REQUEST_LAST,
} from './events.ts'
export type { ArgumentValue } from './arguments.ts'
export { eventFields } from './event-fields.ts'
export { exportFtrace } from './export-ftrace.ts'
export { exportNdjson, type TraceHeader } from './export-ndjson.ts'
export { exportPerfetto } from './export-perfetto.ts'
export { Histogram, type HistogramBucket, type HistogramJson } from './histogram.ts'
export { STATIONS, type Station } from './hops.ts'
export { type ImportedTrace, importNdjson, TraceFormatError } from './import-ndjson.ts'
export { RecordedEvent, Recorder, type RecorderOptions } from './recorder.ts'
export { type Hop, summarize, type TraceSummary } from './summary.ts'
export { createWorld, type World, type WorldOptions } from './world.ts'
