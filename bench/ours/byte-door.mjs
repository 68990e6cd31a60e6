// SPDX-License-Identifier: MIT
/**
 * The byte door in one process: system calls with structs in the process's memory, on a machine with the mock IOMMU. Each
 * struct is written once; the ids and cookies that come back are the same each time, which a pass checks at its end.
 */
import * as abi from '../../dist/iommufd/abi/index.js'
import { createMachine, PROT_READ, PROT_WRITE } from '../../dist/index.js'
import { check } from './order.mjs'

const PAGE = 4096
const IOVA = 0x200_0000n
const LENGTH = 65536n
const PASS = 1024

const NO_BYTES = new Uint8Array()

/** A process with /dev/iommu open and memory for its structs, one after the other. */
class Client {
  constructor() {
    this.machine = createMachine({ iommus: [{ name: 'mock0', model: 'mock' }], devices: [] })
    this.process = this.machine.process({ capIpcLock: true })
    this.mm = this.process.mm
    this.structs = this.memory(16)
    this.used = 0n
    this.fd = this.process.open('/dev/iommu')
  }

  memory(pages) {
    return this.mm.mmap({ lengthBytes: pages * PAGE, prot: PROT_READ | PROT_WRITE, populate: true })
  }

  /** Room for bytes, with the bytes in it. */
  place(lengthBytes, bytes = NO_BYTES) {
    const address = this.structs + this.used
    this.used += BigInt((lengthBytes + 7) & ~7)
    this.mm.write(address, bytes)
    return address
  }

  /** A struct in the process's memory. 64-bit fields are bigint. */
  struct(type, fields) {
    const struct = new type()
    struct.size = type.SIZE
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === 'bigint') abi.setU64(struct, name, value)
      else struct[name] = value
    }
    const bytes = new Uint8Array(type.SIZE)
    struct.encode(new DataView(bytes.buffer), 0)
    return this.place(type.SIZE, bytes)
  }

  read(type, address) {
    const bytes = new Uint8Array(type.SIZE)
    this.mm.read(address, bytes)
    return type.decode(new DataView(bytes.buffer), 0, new type())
  }

  ioctl(number, type, fields) {
    const address = this.struct(type, fields)
    check(this.process.ioctl(this.fd, number, address), 0, `result of ioctl ${number.toString(16)}`)
    return this.read(type, address)
  }

  allocIoas() {
    return this.ioctl(abi.IOMMU_IOAS_ALLOC, abi.IoasAlloc, {}).out_ioas_id
  }

  /** A mock device attached to the page table or the IOAS. */
  mockDevice(id) {
    return this.ioctl(abi.IOMMU_TEST_CMD, abi.TestCmdMockDomain, { op: 2, id })
  }
}

function allocDestroy(client) {
  const { process, fd } = client
  const alloc = client.struct(abi.IoasAlloc, {})
  const destroy = client.struct(abi.Destroy, { id: 1 })
  return () => {
    for (let i = 0; i < PASS; i++) {
      process.ioctl(fd, abi.IOMMU_IOAS_ALLOC, alloc)
      process.ioctl(fd, abi.IOMMU_DESTROY, destroy)
    }
    check(client.read(abi.IoasAlloc, alloc).out_ioas_id, 1, 'id of the last IOAS')
  }
}

function mapUnmap(client) {
  const { process, fd } = client
  const ioas_id = client.allocIoas()
  client.mockDevice(ioas_id)
  const fields = { ioas_id, length: LENGTH, iova: IOVA }
  const map = client.struct(abi.IoasMap, { ...fields, flags: 7, user_va: client.memory(16) })
  const unmap = client.struct(abi.IoasUnmap, fields)
  return () => {
    for (let i = 0; i < PASS; i++) {
      process.ioctl(fd, abi.IOMMU_IOAS_MAP, map)
      process.ioctl(fd, abi.IOMMU_IOAS_UNMAP, unmap)
    }
    check(abi.getU64(client.read(abi.IoasUnmap, unmap), 'length'), LENGTH, 'bytes unmapped')
  }
}

/** Faults on a page table with a queue: `batch` are triggered, read in one read and answered in one write. */
function faults(client, batch) {
  const { process, fd } = client
  const ioas_id = client.allocIoas()
  const dev_id = client.mockDevice(ioas_id).out_idev_id
  const queue = client.ioctl(abi.IOMMU_FAULT_QUEUE_ALLOC, abi.FaultAlloc, {})
  const flags = abi.IOMMU_HWPT_FAULT_ID_VALID
  const hwpt = client.ioctl(abi.IOMMU_HWPT_ALLOC, abi.HwptAlloc, {
    flags,
    dev_id,
    pt_id: ioas_id,
    fault_id: queue.out_fault_id,
  })
  const fault = client.mockDevice(hwpt.out_hwpt_id).out_idev_id
  const triggers = Array.from({ length: batch }, (_, grpid) =>
    client.struct(abi.TestCmdTriggerIopf, { op: 15, dev_id: fault, grpid, perm: 1, addr: IOVA }),
  )
  const records = client.place(batch * 40)
  const recordBytes = batch * 40
  const answers = Array.from({ length: batch }, (_, index) => ({ cookie: index + 1, code: 0 }))
  const responses = client.place(batch * 8, abi.encodeResponses(answers))
  const responseBytes = batch * 8
  const queueFd = queue.out_fault_fd
  return () => {
    for (let i = 0; i < PASS; i += batch) {
      for (let j = 0; j < batch; j++) process.ioctl(fd, abi.IOMMU_TEST_CMD, triggers[j])
      check(process.read(queueFd, records, recordBytes), recordBytes, 'bytes read')
      check(process.write(queueFd, responses, responseBytes), responseBytes, 'bytes written')
    }
  }
}

const LOOPS = { 'alloc-destroy': allocDestroy, 'map-unmap': mapUnmap, faults }

export function setup({ loop, batch }) {
  const pass = LOOPS[loop](new Client(), batch)
  return {
    run(operations, watch) {
      let done = 0
      watch.start()
      for (; done < operations; done += PASS) pass()
      watch.stop()
      return done
    },
  }
}
