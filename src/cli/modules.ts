// SPDX-License-Identifier: MIT
/** The code of each command, imported when it runs and only then. */
import type { Invocation, ModuleName } from './options.ts'

export interface CommandModule {
  /** Returns the exit code. */
  readonly run: (invocation: Invocation) => Promise<number>
}

export const COMMAND_MODULES: Readonly<Record<ModuleName, () => Promise<CommandModule>>> = {
  simulate: () => import('./simulate/command.ts'),
  explore: () => import('./explore/command.ts'),
  run: () => import('./run/command.ts'),
  'trace-summary': () => import('./trace/summary.ts'),
  'trace-export': () => import('./trace/export.ts'),
  doctor: () => import('./doctor/command.ts'),
  completion: () => import('./completion.ts'),
  man: () => import('./man.ts'),
}
