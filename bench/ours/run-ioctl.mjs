// SPDX-License-Identifier: MIT
/** Trapped ioctls of an unmodified program: the client of the C peer under `iopf run`. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Peers } from '../peers.mjs'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export function setup() {
  const peers = new Peers()
  process.on('exit', () => peers.remove())
  const program = peers.build('notify')
  return {
    async run(operations, watch) {
      const words = [MAIN, 'run', '--', program, String(operations / 2), 'client']
      const { stdout } = await promisify(execFile)(process.execPath, words)
      const { nanos, operations: done } = JSON.parse(stdout)
      watch.micros += nanos / 1000
      return done
    },
  }
}
