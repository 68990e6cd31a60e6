// SPDX-License-Identifier: MIT
/** The system calls of a program on our process: each returns a number or throws an Errno. */
import { EINVAL } from '../../src/base/errno.ts'
import { RLIMIT_MEMLOCK, RLIMIT_NOFILE } from '../../src/iommufd/fs/constants.ts'
import type { Process } from '../../src/iommufd/process.ts'
import { COUNTERS, LIMITS, OPERATION, type OperationCode, PATHS } from '../program/program.ts'

type Call = (process: Process, args: Arguments) => number

/** Arguments as registers: read as the system call does. */
export class Arguments {
  readonly #values: readonly bigint[]

  constructor(values: readonly bigint[]) {
    this.#values = values
  }

  word(index: number): bigint {
    return BigInt.asUintN(64, this.#values[index] ?? 0n)
  }

  unsigned(index: number): number {
    return Number(BigInt.asUintN(32, this.word(index)))
  }

  int(index: number): number {
    return Number(BigInt.asIntN(32, this.word(index)))
  }

  long(index: number): number {
    return Number(BigInt.asIntN(64, this.word(index)))
  }
}

export const CALLS: Readonly<Partial<Record<OperationCode, Call>>> = {
  [OPERATION.open]: (process, a) => process.open(PATHS[a.int(0)] ?? '', a.int(1)),
  [OPERATION.ioctl]: (process, a) => process.ioctl(a.int(0), a.unsigned(1), a.word(2)),
  [OPERATION.read]: (process, a) => process.read(a.int(0), a.word(1), a.word(2)),
  [OPERATION.write]: (process, a) => process.write(a.int(0), a.word(1), a.word(2)),
  [OPERATION.pread]: (process, a) => process.pread(a.int(0), a.word(1), a.word(2), a.long(3)),
  [OPERATION.pwrite]: (process, a) => process.pwrite(a.int(0), a.word(1), a.word(2), a.long(3)),
  [OPERATION.lseek]: (process, a) => process.lseek(a.int(0), a.long(1), a.int(2)),
  [OPERATION.poll]: poll,
  [OPERATION.close]: (process, a) => nothing(process.close(a.int(0))),
  [OPERATION.dup]: (process, a) => process.dup(a.int(0)),
  [OPERATION.dup3]: dup3,
  [OPERATION.fcntl]: (process, a) => process.fcntl(a.int(0), a.int(1), a.long(2)),
  [OPERATION.mmap]: mmap,
  [OPERATION.munmap]: (process, a) => nothing(process.munmap(a.word(0), a.word(1))),
  [OPERATION.mprotect]: (process, a) => nothing(process.mprotect(a.word(0), a.word(1), a.int(2))),
  [OPERATION.madvise]: (process, a) => nothing(process.madvise(a.word(0), a.word(1), a.int(2))),
  [OPERATION.memfd]: (process, a) => process.memfdCreate(a.int(0)),
  [OPERATION.ftruncate]: (process, a) => nothing(process.ftruncate(a.int(0), a.long(1))),
  [OPERATION.setrlimit]: setrlimit,
  [OPERATION.dropCapability]: dropCapability,
  [OPERATION.counter]: counter,
}

/** Modulo 2^32: the kernel lets it go below 0. */
function counter({ mm }: Process, a: Arguments): number {
  return (COUNTERS[a.int(0)] === 'VmPin' ? mm.pinnedVm : mm.lockedVm) >>> 0
}

function nothing(_done: void): number {
  return 0
}

function poll(process: Process, a: Arguments): number {
  const entry: { fd: number; events: number; revents?: number } = { fd: a.int(0), events: a.int(1) }
  process.pollAll([entry])
  return entry.revents ?? 0
}

function dup3(process: Process, a: Arguments): number {
  const [fd, target, flags] = [a.int(0), a.int(1), a.int(2)]
  return fd === target && flags === 0 ? process.dup2(fd, target) : process.dup3(fd, target, flags)
}

/** 1: somewhere else than asked. */
function mmap(process: Process, a: Arguments): number {
  const [address, length, prot, flags] = [a.word(0), a.word(1), a.int(2), a.int(3)]
  const at = process.mmap({ address, length, prot, flags, fd: a.int(4), offset: a.word(5) })
  return at === address ? 0 : 1
}

/** The soft limit only. */
function setrlimit(process: Process, a: Arguments): number {
  const soft = Number(a.word(1))
  const isFiles = LIMITS[a.int(0)] === 'nofile'
  const hard = isFiles ? process.openFilesHard : process.memlockMaxBytes
  process.setrlimit(isFiles ? RLIMIT_NOFILE : RLIMIT_MEMLOCK, soft, hard)
  return 0
}

function dropCapability(process: Process, a: Arguments): number {
  if (a.int(0) === 0) process.capIpcLock = false
  else if (a.int(0) === 1) process.capSysResource = false
  else throw EINVAL
  return 0
}
