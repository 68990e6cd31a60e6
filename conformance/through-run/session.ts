// SPDX-License-Identifier: MIT
/** The replayer as a program under `iopf run --mock`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { buildStatic } from '../kernel/reference.ts'
import { Replayer, type ReplayerProcess } from '../kernel/replayer.ts'

/** Open files as in the reference kernel's guest. The shell stays: the limits before Node raised them are its parent's. */
const LIMITED = 'ulimit -Hn 4096; ulimit -Sn 1024; "$@"; exit'

/** `root`: of the project, whose `dist/` is built. Throws `HostError`. */
export function startSession(root: string): Replayer {
  const words = [process.execPath, join(root, 'dist/cli/main.js'), 'run', '--mock', '--']
  return new Session(['sh', '-c', LIMITED, 'sh', ...words, buildStatic(root, 'replay')])
}

/** The shell, iopf and the programs are a group of processes. */
class Session extends Replayer {
  constructor([shell = '', ...words]: readonly string[]) {
    super('iopf run', spawn(shell, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true }))
  }

  protected override kill({ pid }: ReplayerProcess): void {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  }
}
