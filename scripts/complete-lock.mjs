// SPDX-License-Identifier: MIT
// Adds to package-lock.json the optional packages of other platforms that the registry at hand lacks: npm leaves them
// out when it writes the file, and `npm ci` then refuses it. With --check: writes nothing, exit 1 when one is missing.
import { readFileSync, writeFileSync } from 'node:fs'

const LOCK = new URL('../package-lock.json', import.meta.url)
const SYSTEMS = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openharmony',
  'win32',
  'aix',
  'netbsd',
  'openbsd',
  'sunos',
]
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el']

/** Platform of a package from the words of its name: `binding-linux-arm-musleabihf`. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const os = SYSTEMS.find((system) => words.includes(system))
  const cpu = PROCESSORS.find((processor) => words.includes(processor))
  if (os === undefined || cpu === undefined) throw new Error(`no platform in the name ${name}`)
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc'
  return { cpu: [cpu], ...(os === 'linux' ? { libc: [libc] } : {}), os: [os] }
}

const lock = JSON.parse(readFileSync(LOCK, 'utf8'))
const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {}, dev }]) =>
  Object.entries(optionalDependencies)
    .filter(
      ([name]) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
    )
    .map(([name, version]) => ({ name, version, dev })),
)

if (process.argv.includes('--check')) {
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ')
    process.stderr.write(`package-lock.json lacks ${names}\nnext: node scripts/complete-lock.mjs\n`)
    process.exitCode = 1
  }
} else {
  for (const { name, version, dev } of missing) {
    const { cpu, libc, os } = platformOf(name)
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu,
      ...(dev ? { dev } : {}),
      libc,
      optional: true,
      os,
    }
  }
  const sorted = Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = Object.fromEntries(sorted)
  writeFileSync(LOCK, `${JSON.stringify(lock, undefined, 2)}\n`)
}
