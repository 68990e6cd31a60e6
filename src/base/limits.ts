// SPDX-License-Identifier: MIT
/** Every limit of a loop or a queue that iopf itself sets, by name. What the kernel bounds stands with the kernel's code. */

/** Steps of one `runUntilIdle`: more means that alarms feed each other for ever. */
export const STEPS_PER_RUN_MAX = 1_000_000_000

/** Microtask turns that a task may take between two waits before the driver asks its host for a real turn. */
export const MICROTASK_TURNS_MAX = 256

/** Microtask turns granted after a wake-up when one task waits at several gates (`Promise.race`, `Promise.all`). */
export const MICROTASK_TURNS_SHARED = 16

/** Latest instant of the virtual clock, about 104 days: every sum of two instants stays an exact integer. */
export const TIME_NANOS_MAX: number = 2 ** 53 - 1

/** Highest object id that a table hands out (`spec/02` §1: ids are at most 2^31-1). */
export const OBJECT_ID_MAX: number = 2 ** 31 - 1

/** Areas of one address space (Linux's default vm.max_map_count). */
export const AREAS_MAX = 65_530

/** Runs of one sweep over the n-th failure. */
export const SWEEP_RUNS_MAX = 100_000

/** Events in one chunk of the recorder. */
export const TRACE_CHUNK_EVENTS = 8192

/** Length of one line of a trace file that the importer accepts. */
export const TRACE_LINE_CHARACTERS_MAX = 65_536

/** Names (devices, decision topics, failure points) that one trace may carry. */
export const TRACE_NAMES_MAX = 65_536

/** Decisions in one log: about 800 MB of numbers. */
export const DECISIONS_LOGGED_MAX = 33_000_000

/** Free objects that a pool of areas or page lists keeps for reuse; more are left to the collector. */
export const POOL_FREE_MAX = 65_536
