// SPDX-License-Identifier: MIT
import { type Arbitrary, array, assert as check, constantFrom, nat, oneof, property, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { isErrno } from '../../base/errno.ts'
import type { Process } from '../process.ts'
import { A, ProcessRig, RW } from './process-rig.suite.ts'

/** Values at which something changes, and what lies beside them. */
const EDGES: readonly bigint[] = [0n, 1n, 4096n, A, 1n << 21n, 1n << 31n, 1n << 47n, 1n << 63n, 1n << 64n]
const word: Arbitrary<bigint> = tuple(constantFrom(...EDGES), constantFrom(-4096n, -1n, 0n, 1n, 4096n)).map(
  ([edge, step]) => BigInt.asUintN(64, edge + step),
)
const number: Arbitrary<number> = oneof(
  nat(12),
  constantFrom(-1, 64, 2 ** 31 - 1, -(2 ** 31), 1030, 1033, 1034),
)
const size: Arbitrary<number> = oneof(
  nat(20000),
  constantFrom(-1, 2 ** 21, 2 ** 31, 2 ** 47, 2 ** 53, 2 ** 62, 2 ** 63 - 1024, 2 ** 63),
)
const flags: Arbitrary<number> = tuple(
  nat(15),
  nat(0xff).map((n) => n << 4),
  nat(0xff).map((n) => n << 13),
).map(([type, low, high]) => type | low | high)

type Arguments = { a: bigint; b: bigint; c: bigint; m: number; n: number; size: number; flags: number }

const CALLS: readonly ((process: Process, arguments_: Arguments) => unknown)[] = [
  (p, { m }) => p.open('/dev/plain', m),
  (p, { m }) => p.open(`/proc/self/fd/${m}`, m),
  (p, { m }) => m > 2 && p.close(m),
  (p, { m, n, a }) => p.ioctl(m, n, a),
  (p, { m, n }) => p.ioctl(m, 0x5450 + (n & 3), A),
  (p, { m, a, b }) => p.read(m, a, b),
  (p, { m, a, b }) => p.write(m, a, b),
  (p, { m, a, b, size }) => p.pread(m, a, b, size),
  (p, { m, a, b, size }) => p.pwrite(m, a, b, size),
  (p, { m, size }) => p.pwrite(m, A, 5000n, size),
  (p, { m, n, size }) => p.lseek(m, size, n),
  (p, { m }) => p.poll(m),
  (p, { m }) => p.dup(m),
  (p, { m, n }) => p.dup2(m, n),
  (p, { m, n, flags }) => p.dup3(m, n, flags),
  (p, { m, n, flags }) => p.fcntl(m, n, flags),
  (p, { m, size }) => p.ftruncate(m, size),
  (p, { flags }) => p.memfdCreate(flags),
  (p, { n }) => p.memfdCreate(n & 6),
  (p, { a, b, c, m, n, flags }) => p.mmap({ address: a, length: b, prot: n, flags, fd: m, offset: c }),
  (p, { m, n, flags }) => p.mmap({ address: A + 8192n, length: 8192, prot: n, flags: flags | 16, fd: m }),
  (p, { a, b }) => p.munmap(a, b),
  (p, { n }) => p.munmap(A + 8192n, (n & 7) * 4096),
  (p, { a, b, n }) => p.mprotect(a, b, n),
  (p, { a, b, n }) => p.madvise(a, b, n),
  (p, { a }) => p.poke(a, new Uint8Array(9)),
  (p, { a }) => p.peek(a, new Uint8Array(9)),
  (p, { a, n }) => p.mm.unpinPage(p.mm.pinPage(Number(a / 4096n), (n & 1) === 0), true),
  (p) => p.fork().exit(),
]

const step = tuple(nat(CALLS.length - 1), word, word, word, number, number, size, flags)

test('any arguments give an answer or an Errno, and everything comes back at the end', () => {
  check(
    property(array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const rig = new ProcessRig({ frames: 1024, hugePages: 2, process: { stdio: true, openFilesMax: 64 } })
      rig.fixed(2)
      for (const [call, a, b, c, m, n, bytes, bits] of steps) {
        try {
          CALLS[call]!(rig.process, { a, b, c, m, n, size: bytes, flags: bits })
        } catch (thrown) {
          if (!isErrno(thrown)) throw thrown
        }
      }
      expect(rig.process.mmap({ length: 4096, prot: RW, flags: 0x22 })).toBeGreaterThan(0n)
      rig.process.exit()
      const { free, reserved, total } = rig.frames.huge
      expect([rig.frames.inUse, rig.frames.pinned, free, reserved]).toEqual([0, 0, total, 0])
    }),
    { numRuns: 200 },
  )
})
