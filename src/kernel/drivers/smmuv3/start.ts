// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { RegisterAccess } from '../registers.ts'
import type { Features } from './features.ts'
import { QueueMemory } from './queue-memory.ts'
import { StreamTable } from './tables.ts'

/** log2 of the entries of each queue; the unit's maximum limits them. */
export interface QueueSizes {
  readonly commands: number
  readonly events: number
  readonly pri: number
}

/** What the driver shares with its unit in memory. */
export interface UnitMemory {
  readonly streams: StreamTable
  readonly commands: QueueMemory
  readonly events: QueueMemory
  readonly pri: QueueMemory
}

/** Streams are requester ids. */
const STREAM_BITS = 16

/** Allocates queues and stream table. ENOMEM: nothing stays. */
export function allocateUnitMemory(
  features: Features,
  memory: PhysicalMemory,
  frames: FrameAllocator,
  sizes: QueueSizes,
): UnitMemory {
  const made: QueueMemory[] = []
  const queue = (log2: number, most: number, entryShift: number): QueueMemory => {
    const one = new QueueMemory(memory, frames, Math.min(log2, most), entryShift)
    made.push(one)
    return one
  }
  try {
    const commands = queue(sizes.commands, features.commandLog2, queues.CMDQ_ENTRY_SHIFT)
    const events = queue(sizes.events, features.eventLog2, queues.EVENTQ_ENTRY_SHIFT)
    const pri = queue(sizes.pri, features.priLog2, queues.PRIQ_ENTRY_SHIFT)
    const bits = Math.min(STREAM_BITS, features.streamIdBits)
    return { commands, events, pri, streams: new StreamTable(memory, frames, bits, features.twoLevelStreams) }
  } catch (error) {
    for (const one of made) one.free(frames)
    throw error
  }
}

/** Tells the unit where everything is and switches it on: queues first, translation last. */
export function startUnit(unit: RegisterAccess, memory: UnitMemory, pri: boolean): void {
  const base = (register: number, frame: number, low: number): void => {
    unit.writeRegister(register, (frame << 12) | low)
    unit.writeRegister(register + 4, (frame >>> 20) | queues.Q_BASE_RWA)
  }
  unit.writeRegister(layout.SMMU_CR0, 0)
  unit.writeRegister(layout.SMMU_CR2, layout.CR2_RECINVSID)
  base(layout.SMMU_STRTAB_BASE, memory.streams.firstFrame, 0)
  unit.writeRegister(layout.SMMU_STRTAB_BASE_CFG, memory.streams.format)
  base(layout.SMMU_CMDQ_BASE, memory.commands.firstFrame, memory.commands.log2)
  unit.writeRegister(layout.SMMU_CMDQ_PROD, 0)
  unit.writeRegister(layout.SMMU_CMDQ_CONS, 0)
  base(layout.SMMU_EVENTQ_BASE, memory.events.firstFrame, memory.events.log2)
  unit.writeRegister(layout.SMMU_EVENTQ_PROD, 0)
  unit.writeRegister(layout.SMMU_EVENTQ_CONS, 0)
  base(layout.SMMU_PRIQ_BASE, memory.pri.firstFrame, memory.pri.log2)
  unit.writeRegister(layout.SMMU_PRIQ_PROD, 0)
  unit.writeRegister(layout.SMMU_PRIQ_CONS, 0)
  const { CR0_CMDQEN, CR0_EVENTQEN, CR0_PRIQEN, CR0_SMMUEN } = layout
  const { IRQ_CTRL_EVENTQ, IRQ_CTRL_GERROR, IRQ_CTRL_PRIQ } = layout
  const queueBits = CR0_CMDQEN | CR0_EVENTQEN | (pri ? CR0_PRIQEN : 0)
  unit.writeRegister(layout.SMMU_CR0, queueBits)
  unit.writeRegister(layout.SMMU_IRQ_CTRL, IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ | (pri ? IRQ_CTRL_PRIQ : 0))
  unit.writeRegister(layout.SMMU_CR0, queueBits | CR0_SMMUEN)
}

/** Everything off; the memory goes back. */
export function stopUnit(unit: RegisterAccess, memory: UnitMemory, frames: FrameAllocator): void {
  unit.writeRegister(layout.SMMU_IRQ_CTRL, 0)
  unit.writeRegister(layout.SMMU_CR0, 0)
  memory.streams.free()
  memory.commands.free(frames)
  memory.events.free(frames)
  memory.pri.free(frames)
}
