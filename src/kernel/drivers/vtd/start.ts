// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/vtd/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { RegisterAccess } from '../registers.ts'
import { QueueMemory, queueOrder } from './queue-memory.ts'
import { RootTable } from './tables.ts'

const HI = 4

/** Descriptors of each queue; rounded up to 128 times a power of two. */
export interface QueueSizes {
  readonly commands: number
  readonly pageRequests: number
}

/** What the driver shares with its unit in memory. */
export interface UnitMemory {
  readonly root: RootTable
  readonly commands: QueueMemory
  readonly pageRequests: QueueMemory
  /** Where waits store. */
  readonly statusFrame: number
}

/** Allocates queues and root table. ENOMEM. */
export function allocateUnitMemory(
  memory: PhysicalMemory,
  frames: FrameAllocator,
  sizes: QueueSizes,
): UnitMemory {
  const queue = (size: number): QueueMemory => new QueueMemory(memory, frames, queueOrder(size))
  return {
    root: new RootTable(memory, frames),
    commands: queue(sizes.commands),
    pageRequests: queue(sizes.pageRequests),
    statusFrame: frames.allocZeroed(),
  }
}

/** Queued invalidation and the root table on; everything cached is forgotten by `forget`; then translation and events. */
export function startUnit(unit: RegisterAccess, memory: UnitMemory, forget: () => void): void {
  unit.writeRegister(layout.GCMD_REG, 0)
  writeAddress(unit, layout.IQA_REG, memory.commands.firstFrame, memory.commands.order | layout.IQA_DW)
  unit.writeRegister(layout.IQT_REG, 0)
  unit.writeRegister(layout.GCMD_REG, layout.GCMD_QIE)
  writeAddress(unit, layout.RTADDR_REG, memory.root.frame, layout.RTADDR_TTM_SCALABLE)
  unit.writeRegister(layout.GCMD_REG, layout.GCMD_QIE | layout.GCMD_SRTP)
  forget()
  writeAddress(unit, layout.PQA_REG, memory.pageRequests.firstFrame, memory.pageRequests.order)
  unit.writeRegister(layout.PQH_REG, 0)
  unit.writeRegister(layout.PQT_REG, 0)
  unit.writeRegister(layout.FECTL_REG, 0)
  unit.writeRegister(layout.PECTL_REG, 0)
  unit.writeRegister(layout.GCMD_REG, layout.GCMD_QIE | layout.GCMD_TE)
}

/** Everything off; the memory goes back. */
export function stopUnit(unit: RegisterAccess, memory: UnitMemory, frames: FrameAllocator): void {
  unit.writeRegister(layout.FECTL_REG, layout.EVENT_IM)
  unit.writeRegister(layout.PECTL_REG, layout.EVENT_IM)
  unit.writeRegister(layout.GCMD_REG, 0)
  memory.root.free()
  memory.commands.free(frames)
  memory.pageRequests.free(frames)
  frames.put(memory.statusFrame)
}

function writeAddress(unit: RegisterAccess, register: number, frame: number, bits: number): void {
  unit.writeRegister(register + HI, frame >>> 20)
  unit.writeRegister(register, (frame << 12) | bits)
}
