// SPDX-License-Identifier: MIT
/** Builds the C peers into a directory of their own and runs them. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCES = fileURLToPath(new URL('./peers/', import.meta.url))
const UNAVAILABLE = 77
const NEEDS_GLIB = new Set(['iotlb', 'area-tree'])
const STATIC = new Set(['iommufd'])
const COMPILER = process.env.CC ?? 'cc'

/** Thrown when this machine cannot run a peer; the message says why. */
export class PeerUnavailable extends Error {}

function firstLine(text) {
  return text.trim().split('\n')[0] ?? ''
}

function glibFlags() {
  const found = spawnSync('pkg-config', ['--cflags', '--libs', 'glib-2.0'], { encoding: 'utf8' })
  if (found.error !== undefined) throw new PeerUnavailable('no pkg-config to find GLib (libglib2.0-dev)')
  if (found.status !== 0) throw new PeerUnavailable('no GLib headers (libglib2.0-dev)')
  return found.stdout.trim().split(/\s+/)
}

export class Peers {
  #directory = undefined
  #built = new Map()

  /** Where the programs are, once there is one. */
  get directory() {
    return this.#directory
  }

  /** Compiles the program once; throws PeerUnavailable when that is not possible here. */
  build(program) {
    let result = this.#built.get(program)
    if (result === undefined) {
      result = this.#compile(program)
      this.#built.set(program, result)
    }
    if (result instanceof PeerUnavailable) throw result
    return result
  }

  #compile(program) {
    try {
      this.#directory ??= mkdtempSync(join(tmpdir(), 'iopf-bench-'))
      const output = join(this.#directory, program)
      const libraries = NEEDS_GLIB.has(program) ? glibFlags() : ['-pthread']
      if (STATIC.has(program)) libraries.push('-static')
      const args = ['-O3', '-Wall', '-o', output, join(SOURCES, `${program}.c`), ...libraries]
      const compiled = spawnSync(COMPILER, args, { encoding: 'utf8' })
      if (compiled.error !== undefined) throw new PeerUnavailable(`no C compiler (${COMPILER})`)
      if (compiled.status !== 0) throw new PeerUnavailable(`${COMPILER}: ${firstLine(compiled.stderr)}`)
      return output
    } catch (error) {
      if (error instanceof PeerUnavailable) return error
      throw error
    }
  }

  /** CPU nanoseconds an operation, over all threads of the peer. */
  run(program, args) {
    const file = this.build(program)
    return new Promise((resolve, reject) => {
      execFile(file, args.map(String), (error, stdout, stderr) => {
        if (error === null) {
          const { nanos, operations } = JSON.parse(stdout)
          resolve(nanos / operations)
        } else if (error.code === UNAVAILABLE) reject(new PeerUnavailable(firstLine(stderr)))
        else
          reject(new Error(`peer ${program}: ${error.signal ?? `exit ${error.code}`} ${firstLine(stderr)}`))
      })
    })
  }

  remove() {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true })
  }
}
