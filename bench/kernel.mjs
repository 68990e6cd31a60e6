// SPDX-License-Identifier: MIT
/**
 * The loops of the byte door on a real kernel under QEMU, emulated: an order of magnitude, no more. The kernel needs
 * iommufd with its test commands, a serial console and devtmpfs (`conformance/kernel` tells how to make one).
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PeerUnavailable } from './peers.mjs'

const QEMU = 'qemu-system-x86_64'
const MACHINE =
  '-M q35 -accel tcg -cpu max,la57=off -m 768M -smp 1 -display none -no-reboot -nodefaults -serial stdio'
const APPEND = 'console=ttyS0 quiet panic=-1 nokaslr mitigations=off no_timer_check tsc=reliable'
const TIMEOUT_MS = 120_000

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}

/** A file of an archive in the "newc" format. */
function cpioEntry(path, mode, bytes, [major, minor]) {
  const name = Buffer.from(`${path}\0`)
  const numbers = [1, mode, 0, 0, 1, 0, bytes.length, 0, 0, major, minor, name.length, 0]
  const head = `070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`
  return [padded(Buffer.concat([Buffer.from(head), name])), padded(bytes)]
}

function initialFiles(program) {
  const none = Buffer.alloc(0)
  return Buffer.concat([
    ...cpioEntry('dev', 0o40755, none, [0, 0]),
    ...cpioEntry('dev/console', 0o20600, none, [5, 1]),
    ...cpioEntry('init', 0o100755, readFileSync(program), [0, 0]),
    ...cpioEntry('TRAILER!!!', 0, none, [0, 0]),
  ])
}

/** Wall-clock nanoseconds an operation in the guest, by the loop's name. Throws PeerUnavailable. */
export function kernelFigures(vmlinux, peers) {
  const program = peers.build('iommufd')
  const initrd = join(peers.directory, 'initrd')
  writeFileSync(initrd, initialFiles(program))
  const args = [...MACHINE.split(' '), '-kernel', vmlinux, '-initrd', initrd, '-append', APPEND]
  const ran = spawnSync(QEMU, args, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (ran.error !== undefined) throw new PeerUnavailable(`${QEMU}: ${ran.error.message}`)
  const lines = [...ran.stdout.matchAll(/^iopf-bench (\S+) (\d+) (\d+)/gm)]
  if (lines.length === 0)
    throw new PeerUnavailable(`no figures from the guest: ${lastLine(ran.stdout + ran.stderr)}`)
  return new Map(lines.map(([, name, nanos, operations]) => [name, Number(nanos) / Number(operations)]))
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? ''
}
