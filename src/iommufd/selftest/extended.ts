// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENODEV, EOPNOTSUPP } from '../../base/errno.ts'
import type { LoggedResponse } from '../../kernel/drivers/mock/response-log.ts'
import { reportDeviceFault } from '../../kernel/iopf/report.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'
import { Sum } from '../objects/ioas/span.ts'
import { getDevice } from '../objects/lookup.ts'
import type { ExtendedFault, ExtendedLog, ExtendedQueue } from './extended-structs.ts'
import { portOf } from './port.ts'

/** Three more operations, which show what the test ABI of the plain kernel hides. */

const QUEUE_DISCARD_PARTIAL = 0
const QUEUE_FLUSH_DEVICE = 1
const QUEUE_COUNTS = 2

/** A record of the log: mock_id, flags, pasid, grpid, addr of the request, pasid, grpid, code, seq. */
const RECORD_BYTES = 40
const record = new Uint8Array(RECORD_BYTES)
const recordView = new DataView(record.buffer)
const address = new Sum()

/** X_FAULT: reports any fault; `out_rc` is what the core said. ENOENT. */
export function extendedFault(context: Context, command: ExtendedFault): void {
  const { device } = getDevice(context, command.dev_id)
  const { fault } = portOf(context)
  fault.type = command.type
  fault.flags = command.flags
  fault.pasid = command.pasid
  fault.grpid = command.grpid
  fault.perm = command.perm
  fault.addrHi = command.addr_hi
  fault.addrLo = command.addr_lo
  command.out_rc = -reportDeviceFault(device, fault) | 0
}

/** X_RESP_LOG: a record that cannot be delivered is gone (EFAULT). `out_lost` counts since the machine came up. */
export function extendedLog(context: Context, command: ExtendedLog, caller: Caller): void {
  const log = portOf(context).iommu.responses
  assert(log !== undefined, 'the mock keeps no log')
  const max = command.max >>> 0
  let done = 0
  for (; done < max; done++) {
    const response = log.take()
    if (response === undefined) break
    encodeRecord(response)
    const offset = done * RECORD_BYTES
    address.add(command.uptr_hi, command.uptr_lo, 0, offset)
    caller.memory.copyOut(address.hi, address.lo, record, 0, RECORD_BYTES)
  }
  command.out_n = done
  command.out_lost = log.lost
}

/** X_QUEUE: ENOENT, EOPNOTSUPP; discarding is for all devices and needs none. */
export function extendedQueue(context: Context, command: ExtendedQueue): void {
  const { queue } = portOf(context).iommu
  if (command.sub === QUEUE_DISCARD_PARTIAL) {
    queue.discardPartial()
    command.out_rc = 0
    return
  }
  const { device } = getDevice(context, command.dev_id)
  const param = device.faultParam
  command.out_rc = param === undefined ? -ENODEV.errno : 0
  if (command.sub === QUEUE_COUNTS) {
    command.out_partial = param?.partialCount ?? 0
    command.out_faults = param?.pending.length ?? 0
    command.out_users = param?.users ?? 0
  } else if (command.sub !== QUEUE_FLUSH_DEVICE) throw EOPNOTSUPP
  else if (param !== undefined) queue.flushDevice(device)
}

function encodeRecord(response: LoggedResponse): void {
  recordView.setInt32(0, response.mockIndex, true)
  recordView.setInt32(4, response.flags, true)
  recordView.setInt32(8, response.pasid, true)
  recordView.setInt32(12, response.grpid, true)
  recordView.setInt32(16, response.addrLo, true)
  recordView.setInt32(20, response.addrHi, true)
  recordView.setInt32(24, response.pasid, true)
  recordView.setInt32(28, response.grpid, true)
  recordView.setInt32(32, response.code, true)
  recordView.setInt32(36, response.sequence, true)
}
