// SPDX-License-Identifier: MIT
// The byte door: descriptors, ioctl numbers and pointers, as a C program has them, in a machine with the test driver.
import { createMachine } from 'iopf'
import {
  FaultAlloc,
  HwptAlloc,
  HwptPageResponse,
  HwptPgfault,
  IOCTL_NUMBER,
  IOMMU_HWPT_FAULT_ID_VALID,
  IOMMUFD_PAGE_RESP_SUCCESS,
  IoasAlloc,
  TestCmdMockDomainFlags,
  TestCmdMockDomainReplace,
  TestCmdTriggerIopf,
} from 'iopf/abi'

const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS = 0x22

const machine = createMachine({ iommus: [{ name: 'mock0', model: 'mock' }], devices: [] })
const user = machine.process()
const iommu = user.open('/dev/iommu')
const memory = user.mmap({ length: 4096, prot: PROT_READ_WRITE, flags: MAP_PRIVATE_ANONYMOUS })

const fill = (command, fields) => Object.assign(command, fields)

/** Puts a struct into the program's memory. */
function store(command) {
  const bytes = new Uint8Array(command.constructor.SIZE)
  command.encode(new DataView(bytes.buffer), 0)
  user.poke(memory, bytes)
}

/** A copy of the first bytes of the program's memory. */
function load(length) {
  const bytes = new Uint8Array(length)
  user.peek(memory, bytes)
  return new DataView(bytes.buffer)
}

/** The struct as the kernel leaves it. */
function ioctl(name, command) {
  store(fill(command, { size: command.constructor.SIZE }))
  user.ioctl(iommu, IOCTL_NUMBER[name], memory)
  return command.constructor.decode(load(command.size), 0, command)
}

const ioas = ioctl('IOMMU_IOAS_ALLOC', new IoasAlloc())
const queue = ioctl('IOMMU_FAULT_QUEUE_ALLOC', new FaultAlloc())
const device = ioctl('IOMMU_TEST_CMD', fill(new TestCmdMockDomainFlags(), { op: 12, id: ioas.out_ioas_id }))
const hwpt = ioctl(
  'IOMMU_HWPT_ALLOC',
  fill(new HwptAlloc(), {
    flags: IOMMU_HWPT_FAULT_ID_VALID,
    dev_id: device.out_idev_id,
    pt_id: ioas.out_ioas_id,
    fault_id: queue.out_fault_id,
  }),
)
ioctl(
  'IOMMU_TEST_CMD',
  fill(new TestCmdMockDomainReplace(), { op: 10, id: device.out_stdev_id, pt_id: hwpt.out_hwpt_id }),
)
ioctl(
  'IOMMU_TEST_CMD',
  fill(new TestCmdTriggerIopf(), {
    op: 15,
    dev_id: device.out_idev_id,
    grpid: 7,
    perm: 1,
    addr_lo: 0x1000000,
  }),
)

const length = user.read(queue.out_fault_fd, memory, HwptPgfault.SIZE)
const record = HwptPgfault.decode(load(length), 0, new HwptPgfault())
console.log(
  `${length} bytes: device ${record.dev_id}, group ${record.grpid}, address 0x${record.addr_lo.toString(16)}, cookie ${record.cookie}`,
)

store(fill(new HwptPageResponse(), { cookie: record.cookie, code: IOMMUFD_PAGE_RESP_SUCCESS }))
console.log(`${user.write(queue.out_fault_fd, memory, HwptPageResponse.SIZE)} bytes answered`)
try {
  user.write(queue.out_fault_fd, memory, HwptPageResponse.SIZE)
} catch (error) {
  console.log(`answered twice: ${error.code}`)
}
user.exit()
machine.shutDown()
