// SPDX-License-Identifier: MIT
/** What this host can do. Every check looks, none changes anything. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { release } from 'node:os'
import { PhysicalMemory } from '../../hardware/memory.ts'

export type CheckStatus = 'ok' | 'missing' | 'failed'

export interface Check {
  readonly name: string
  /** `failed`: iopf does not work without it. `missing`: the part named in `neededFor` does not. */
  readonly status: CheckStatus
  readonly found: string
  readonly neededFor: string
  /** What to do; absent where nothing is wrong. */
  readonly cure?: string
}

const NODE_MINIMUM = [20, 19] as const
/** First kernel with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV. */
const KERNEL_MINIMUM = [5, 19] as const

const RUN = 'iopf run: unmodified programs'

export function runChecks(): readonly Check[] {
  return [
    checkNode(process.versions.node),
    checkSharedArrayBuffer(),
    checkSharedMemory(),
    checkKernel(release()),
    checkProcessor(process.arch),
    checkSeccomp('/proc/sys/kernel/seccomp/actions_avail'),
    checkTracing('/proc/sys/kernel/yama/ptrace_scope'),
    checkIommufd('/dev/iommu'),
    checkCompiler(),
    checkKoffi(),
  ]
}

export function checkNode(version: string): Check {
  const ok = isAtLeast(version, NODE_MINIMUM)
  const cure = ok ? {} : { cure: `install Node ${NODE_MINIMUM.join('.')} or later` }
  return { name: 'node', status: ok ? 'ok' : 'failed', found: version, neededFor: 'everything', ...cure }
}

function checkSharedArrayBuffer(): Check {
  const base = { name: 'shared-array-buffer', neededFor: 'physical memory that threads share' }
  if (typeof SharedArrayBuffer === 'function') return { ...base, status: 'ok', found: 'there' }
  return {
    ...base,
    status: 'missing',
    found: 'not there',
    cure: 'start node without --no-harmony-sharedarraybuffer',
  }
}

function checkSharedMemory(): Check {
  const base = {
    name: 'wasm-shared-memory',
    neededFor: 'native copies in physical memory; a slower way is used',
  }
  const cure = 'raise the limit of address space (ulimit -v unlimited)'
  try {
    const bytes = new PhysicalMemory({ bytes: 4096 }).bytes.buffer
    const isShared = typeof SharedArrayBuffer === 'function' && bytes instanceof SharedArrayBuffer
    if (isShared) return { ...base, status: 'ok', found: 'there' }
    return { ...base, status: 'missing', found: 'refused', cure }
  } catch (error) {
    return { ...base, status: 'missing', found: error instanceof Error ? error.message : 'refused', cure }
  }
}

export function checkKernel(version: string): Check {
  const base = { name: 'kernel', found: version, neededFor: RUN }
  if (process.platform === 'linux' && isAtLeast(version, KERNEL_MINIMUM)) return { ...base, status: 'ok' }
  return {
    ...base,
    status: 'missing',
    cure: `use Linux ${KERNEL_MINIMUM.join('.')} or later; simulate runs anywhere`,
  }
}

export function checkSeccomp(path: string): Check {
  const base = { name: 'seccomp-user-notification', neededFor: RUN }
  const actions = readOr(path, '').trim()
  if (actions.split(/\s+/).includes('user_notif')) return { ...base, status: 'ok', found: 'user_notif' }
  const found = actions === '' ? `${path} cannot be read` : actions
  return {
    ...base,
    status: 'missing',
    found,
    cure: 'use a kernel with CONFIG_SECCOMP_FILTER=y and /proc mounted',
  }
}

export function checkProcessor(arch: string): Check {
  const base = { name: 'processor', found: arch, neededFor: RUN }
  if (arch === 'x64') return { ...base, status: 'ok' }
  return { ...base, status: 'missing', cure: 'use Node for x86-64; simulate runs anywhere' }
}

/** Yama forbids looking into the memory of programs from 2 on; of one's own children it allows it up to 1. */
export function checkTracing(path: string): Check {
  const base = { name: 'process-memory', neededFor: RUN }
  const scope = readOr(path, '').trim()
  if (scope === '' || Number(scope) < 2)
    return { ...base, status: 'ok', found: scope === '' ? 'not restricted' : `ptrace_scope ${scope}` }
  const cure =
    Number(scope) === 2 ? 'give CAP_SYS_PTRACE, or sysctl kernel.yama.ptrace_scope=1' : 'boot without it'
  return { ...base, status: 'missing', found: `ptrace_scope ${scope}`, cure }
}

export function checkIommufd(path: string): Check {
  const base = { name: 'iommufd', neededFor: 'comparison with the real kernel; nothing else' }
  if (!existsSync(path)) {
    return {
      ...base,
      status: 'missing',
      found: `no ${path}`,
      cure: 'modprobe iommufd, where the kernel has it',
    }
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return { ...base, status: 'ok', found: path }
  } catch {
    return {
      ...base,
      status: 'missing',
      found: `${path}, no permission`,
      cure: `ask for read and write on ${path}`,
    }
  }
}

function checkCompiler(): Check {
  const base = { name: 'cc', neededFor: 'npm run bench against C peers' }
  const result = spawnSync('cc', ['--version'], { encoding: 'utf8', timeout: 10_000 })
  if (result.status === 0) return { ...base, status: 'ok', found: result.stdout.split('\n')[0] ?? 'there' }
  return {
    ...base,
    status: 'missing',
    found: 'no cc in PATH',
    cure: 'install a C compiler (apt-get install gcc)',
  }
}

function checkKoffi(): Check {
  const base = { name: 'koffi', neededFor: RUN }
  try {
    const require = createRequire(import.meta.url)
    const koffi: unknown = require('koffi')
    return { ...base, status: 'ok', found: String(Reflect.get(Object(koffi), 'version')) }
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return { ...base, status: 'missing', found: `cannot be loaded: ${why}`, cure: 'npm install koffi' }
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(/[.-]/).map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
