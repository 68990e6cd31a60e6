// SPDX-License-Identifier: MIT
/** Finds or builds what is needed to ask the real kernel. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { Guest } from './guest.ts'

export type KernelKind = 'plain' | 'ext'

/** This host cannot do it: exit code 4. */
export class HostError extends Error {}

const VARIABLES = { plain: 'IOPF_KERNEL', ext: 'IOPF_KERNEL_EXT' } as const

export function cacheFolder(): string {
  const { IOPF_CONFORMANCE_CACHE, XDG_CACHE_HOME } = process.env
  return IOPF_CONFORMANCE_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'iopf-conformance')
}

/** Path of a kernel image. Throws `HostError`. */
export function findKernel(kind: KernelKind): string {
  const variable = VARIABLES[kind]
  const path = process.env[variable] ?? join(cacheFolder(), kind, 'vmlinux')
  if (existsSync(path)) return path
  const how =
    kind === 'plain' ? 'conformance/kernel/build.sh' : 'conformance/kernel/build.sh --extension SCRIPT'
  throw new HostError(`no kernel at ${path}: build one with ${how}, or name one in ${variable}`)
}

/** Starts a kernel with the replayer in it. Throws `HostError`. */
export function startGuest(root: string, kind: KernelKind, hugePages: number): Guest {
  const vmlinux = findKernel(kind)
  const qemu = findProgram('qemu-system-x86_64', 'install qemu-system-x86')
  const [init, replay, unload] = ['init', 'replay', 'unload'].map((name) => buildStatic(root, name))
  const build = dirname(realpathSync(vmlinux))
  const [iommufd, queues] = ['drivers/iommu/iommufd/iommufd.ko', 'queues/queues.ko'].map((name) =>
    join(build, name),
  )
  const paths = { iommufd: iommufd ?? '', queues: queues ?? '', unload: unload ?? '' }
  const modules = Object.values(paths).every((path) => existsSync(path)) ? paths : undefined
  return new Guest({ qemu, vmlinux, init: init ?? '', replay: replay ?? '', modules, hugePages })
}

export function findProgram(name: string, cure: string): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined) throw new HostError(`no ${name} here: ${cure}`)
  return found
}

/** Compiles `kernel/NAME.c` where a source is newer than its program. */
export function buildStatic(root: string, name: string): string {
  const sources = join(root, 'conformance/kernel')
  const source = join(sources, `${name}.c`)
  const folder = join(cacheFolder(), 'guest')
  const program = join(folder, name)
  const newest = Math.max(...[source, join(sources, 'calls.h')].map(modified))
  if (modified(program) > newest) return program
  mkdirSync(folder, { recursive: true })
  const compiler = findProgram('cc', 'install a C compiler')
  execFileSync(compiler, ['-std=gnu99', '-static', '-O2', '-w', '-o', program, source], { stdio: 'inherit' })
  return program
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
