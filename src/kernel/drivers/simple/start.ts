// SPDX-License-Identifier: MIT
import {
  CONTROL_COMMANDS,
  CONTROL_FAULTS,
  CONTROL_PAGE_REQUESTS,
  CONTROL_TRANSLATE,
  INTERRUPT_FAULT,
  INTERRUPT_PAGE_REQUEST,
  REG_COMMAND_BASE,
  REG_COMMAND_ENTRIES,
  REG_CONTROL,
  REG_DEVICE_DIRECTORY,
  REG_FAULT_BASE,
  REG_FAULT_ENTRIES,
  REG_INTERRUPT_ENABLE,
  REG_PAGE_REQUEST_BASE,
  REG_PAGE_REQUEST_ENTRIES,
  REG_RING_ENTRIES_MAX,
} from '../../../hardware/iommus/simple/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { RegisterAccess } from '../registers.ts'
import { RingMemory } from './ring-memory.ts'
import { createDeviceTable, type EntryTable } from './tables.ts'

/** Entries of each ring; the unit's maximum limits them. */
export interface RingSizes {
  readonly commands: number
  readonly pageRequests: number
  readonly faults: number
}

/** What the driver shares with its unit in memory. */
export interface UnitMemory {
  readonly deviceTable: EntryTable
  readonly commands: RingMemory
  readonly pageRequests: RingMemory
  readonly faults: RingMemory
}

/** Allocates rings and device table. ENOMEM. */
export function allocateUnitMemory(
  unit: RegisterAccess,
  memory: PhysicalMemory,
  frames: FrameAllocator,
  sizes: RingSizes,
): UnitMemory {
  const most = unit.readRegister(REG_RING_ENTRIES_MAX)
  const ring = (entries: number): RingMemory => new RingMemory(memory, frames, Math.min(entries, most))
  return {
    deviceTable: createDeviceTable(memory, frames),
    commands: ring(sizes.commands),
    pageRequests: ring(sizes.pageRequests),
    faults: ring(sizes.faults),
  }
}

/** Tells the unit where everything is and switches it on. */
export function startUnit(unit: RegisterAccess, memory: UnitMemory): void {
  unit.writeRegister(REG_CONTROL, 0)
  unit.writeRegister(REG_DEVICE_DIRECTORY, memory.deviceTable.directory)
  unit.writeRegister(REG_COMMAND_BASE, memory.commands.firstFrame)
  unit.writeRegister(REG_COMMAND_ENTRIES, memory.commands.entries)
  unit.writeRegister(REG_PAGE_REQUEST_BASE, memory.pageRequests.firstFrame)
  unit.writeRegister(REG_PAGE_REQUEST_ENTRIES, memory.pageRequests.entries)
  unit.writeRegister(REG_FAULT_BASE, memory.faults.firstFrame)
  unit.writeRegister(REG_FAULT_ENTRIES, memory.faults.entries)
  unit.writeRegister(REG_INTERRUPT_ENABLE, INTERRUPT_PAGE_REQUEST | INTERRUPT_FAULT)
  unit.writeRegister(
    REG_CONTROL,
    CONTROL_COMMANDS | CONTROL_PAGE_REQUESTS | CONTROL_FAULTS | CONTROL_TRANSLATE,
  )
}

/** Everything off; the memory goes back. */
export function stopUnit(unit: RegisterAccess, memory: UnitMemory, frames: FrameAllocator): void {
  unit.writeRegister(REG_INTERRUPT_ENABLE, 0)
  unit.writeRegister(REG_CONTROL, 0)
  memory.deviceTable.free()
  memory.commands.free(frames)
  memory.pageRequests.free(frames)
  memory.faults.free(frames)
}
