// SPDX-License-Identifier: MIT
import { RLIMIT_MEMLOCK, RLIMIT_NOFILE } from '../../src/iommufd/fs/constants.ts'
import { createMachine, type Machine } from '../../src/machine/machine.ts'
import type { Process } from '../../src/iommufd/process.ts'
import { ARENA, SCRATCH } from '../program/program.ts'
import { registerNull } from './null-file.ts'

const MEBIBYTE = 2 ** 20
/** What root's processes have where the kernel's defaults were not changed. */
const MEMLOCK_BYTES = 8 * MEBIBYTE
const OPEN_FILES = { soft: 1024, hard: 4096 }

const PROT_READ_WRITE = 3
const MAP_FIXED_PRIVATE_ANONYMOUS = 0x32

/** A machine as the reference kernel finds one: its mock IOMMU, with the operations of the extended kernel. */
export function conformanceMachine(hugePages: number): Machine {
  const machine = createMachine({
    memoryBytes: 64 * MEBIBYTE + 2 * MEBIBYTE * hugePages,
    hugePages,
    iommus: [{ name: 'mock0', model: 'mock', extended: true }],
    devices: [],
  })
  registerNull(machine.nodes)
  return machine
}

/** A process as a program finds itself: root, descriptors 0 to 2, its arena. */
export function firstProcess(machine: Machine): Process {
  const process: Process = machine.process({ capIpcLock: true, capSysResource: true })
  for (let fd = 0; fd < 3; fd++) process.open('/dev/null')
  process.setrlimit(RLIMIT_MEMLOCK, MEMLOCK_BYTES, MEMLOCK_BYTES)
  process.setrlimit(RLIMIT_NOFILE, OPEN_FILES.soft, OPEN_FILES.hard)
  for (const { address, bytes } of [ARENA, SCRATCH]) {
    process.mmap({
      address: BigInt(address),
      length: bytes,
      prot: PROT_READ_WRITE,
      flags: MAP_FIXED_PRIVATE_ANONYMOUS,
    })
  }
  return process
}
