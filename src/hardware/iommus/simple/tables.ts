// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import * as layout from './layout.ts'
import { DeviceContext, NO_RID, Space } from './space.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID } = messages
const {
  DEVICE_FAULT_DISABLE,
  DEVICE_FLAGS,
  DEVICE_PASID,
  DEVICE_PASID_BITS_MASK,
  DEVICE_PASID_BITS_SHIFT,
  DEVICE_PASID_DIRECTORY,
  DEVICE_RESERVED_MASK,
  DEVICE_SPACE,
  DEVICE_VALID,
  DIRECTORY_LEAF_MASK,
  DIRECTORY_SHIFT,
  REASON_BLOCKED,
  REASON_DEVICE_NOT_PRESENT,
  REASON_DEVICE_RESERVED,
  REASON_PASID_DISABLED,
  REASON_PASID_NOT_PRESENT,
  REASON_PASID_TOO_LARGE,
  REASON_TABLE_ACCESS,
  RECORD_SHIFT,
  SPACE_DOMAIN,
  SPACE_FLAGS,
  SPACE_ROOT,
  SPACE_ROOT_HIGH,
  SPACE_STAGE2_ROOT,
  SPACE_VALID,
} = layout

const CONTEXT_SLOTS = 64
const SPACE_SLOTS = 512

/**
 * The tables in memory and what the unit remembers of them. Valid entries are cached: software that changes one
 * invalidates the context (it drops the device's address spaces too) or the PASID before it relies on the change.
 */
export class TableReader {
  /** Frame of the device directory. */
  root: number
  /** Why the last lookup gave nothing, and whether its fault is not to be recorded. */
  reason: number
  faultDisable: boolean
  readonly #memory: PhysicalMemory
  readonly #pasidBits: number
  readonly #contexts: readonly DeviceContext[]
  readonly #spaces: readonly Space[]
  #last: Space

  constructor(memory: PhysicalMemory, pasidBits: number) {
    this.root = 0
    this.reason = 0
    this.faultDisable = false
    this.#memory = memory
    this.#pasidBits = pasidBits
    this.#contexts = Array.from({ length: CONTEXT_SLOTS }, () => new DeviceContext())
    this.#spaces = Array.from({ length: SPACE_SLOTS }, () => new Space())
    this.#last = this.#spaces[0]!
  }

  /** The address space of the request; `undefined`: see `reason`. */
  space(rid: number, pasid: number): Space | undefined {
    const last = this.#last
    if (last.rid === rid && last.pasid === pasid) return last
    const slot = this.#spaces[(pasid + Math.imul(rid, 0x61)) & (SPACE_SLOTS - 1)]!
    if ((slot.rid !== rid || slot.pasid !== pasid) && !this.#fill(slot, rid, pasid)) return undefined
    this.#last = slot
    return slot
  }

  /** The device's entry; `undefined`: see `reason`. */
  device(rid: number): DeviceContext | undefined {
    const slot = this.#contexts[rid & (CONTEXT_SLOTS - 1)]!
    if (slot.rid === rid) return slot
    slot.rid = NO_RID
    this.faultDisable = false
    const frame = this.#leaf(this.root, rid)
    if (frame <= 0) {
      this.reason = frame === 0 ? REASON_DEVICE_NOT_PRESENT : REASON_TABLE_ACCESS
      return undefined
    }
    return this.#decodeDevice(slot, rid, frame)
  }

  invalidateDevice(rid: number): void {
    const slot = this.#contexts[rid & (CONTEXT_SLOTS - 1)]!
    if (slot.rid === rid) slot.rid = NO_RID
    this.invalidateAllPasids(rid)
  }

  invalidateAllPasids(rid: number): void {
    for (const space of this.#spaces) if (space.rid === rid) space.rid = NO_RID
  }

  invalidateAll(): void {
    for (const context of this.#contexts) context.rid = NO_RID
    for (const space of this.#spaces) space.rid = NO_RID
  }

  invalidatePasid(rid: number, pasid: number): void {
    const slot = this.#spaces[(pasid + Math.imul(rid, 0x61)) & (SPACE_SLOTS - 1)]!
    if (slot.rid === rid && slot.pasid === pasid) slot.rid = NO_RID
  }

  /** 0 when requests with the PASID may come from the device, else the REASON_. */
  checkPasid(device: DeviceContext, pasid: number): number {
    if (pasid < device.pasidEnd) return 0
    return device.pasidEnd === 0 ? REASON_PASID_DISABLED : REASON_PASID_TOO_LARGE
  }

  /** PASIDs that the device may use are below this; 0: none. */
  #pasidEnd(flags: number): number {
    if ((flags & DEVICE_PASID) === 0 || this.#pasidBits === 0) return 0
    const bits = (flags & DEVICE_PASID_BITS_MASK) >>> DEVICE_PASID_BITS_SHIFT
    return 1 << Math.min(bits, this.#pasidBits)
  }

  /** Leaf frame of the id, 0 when the directory has none, -1 when it does not exist. */
  #leaf(directory: number, id: number): number {
    if (directory === 0) return 0
    const index = id >>> DIRECTORY_SHIFT
    const frame = directory + (index >>> 10)
    if (!this.#memory.exists(frame)) return -1
    const leaf = this.#memory.load32(frame, (index & 1023) << 2)
    return leaf === 0 || this.#memory.exists(leaf) ? leaf : -1
  }

  #decodeDevice(slot: DeviceContext, rid: number, frame: number): DeviceContext | undefined {
    const offset = (rid & DIRECTORY_LEAF_MASK) << RECORD_SHIFT
    const flags = this.#memory.load32(frame, offset + DEVICE_FLAGS)
    this.faultDisable = (flags & DEVICE_FAULT_DISABLE) !== 0
    if ((flags & DEVICE_VALID) === 0) {
      this.reason = REASON_DEVICE_NOT_PRESENT
      return undefined
    }
    if ((flags & DEVICE_RESERVED_MASK) !== 0) {
      this.reason = REASON_DEVICE_RESERVED
      return undefined
    }
    slot.rid = rid
    slot.flags = flags
    slot.pasidEnd = this.#pasidEnd(flags)
    slot.pasidDirectory = this.#memory.load32(frame, offset + DEVICE_PASID_DIRECTORY)
    slot.frame = frame
    slot.offset = offset
    return slot
  }

  #fill(slot: Space, rid: number, pasid: number): boolean {
    slot.rid = NO_RID
    const device = this.device(rid)
    if (device === undefined) return false
    this.faultDisable = (device.flags & DEVICE_FAULT_DISABLE) !== 0
    slot.pasid = pasid
    slot.deviceFlags = device.flags
    this.reason =
      pasid === NO_PASID
        ? this.#read(slot, device.frame, device.offset + DEVICE_SPACE, REASON_BLOCKED)
        : this.#fillPasid(slot, device, pasid)
    if (this.reason !== 0) return false
    slot.rid = rid
    return true
  }

  #fillPasid(slot: Space, device: DeviceContext, pasid: number): number {
    const refused = this.checkPasid(device, pasid)
    if (refused !== 0) return refused
    const frame = this.#leaf(device.pasidDirectory, pasid)
    if (frame < 0) return REASON_TABLE_ACCESS
    if (frame === 0) return REASON_PASID_NOT_PRESENT
    return this.#read(slot, frame, (pasid & DIRECTORY_LEAF_MASK) << RECORD_SHIFT, REASON_PASID_NOT_PRESENT)
  }

  #read(slot: Space, frame: number, offset: number, absent: number): number {
    const memory = this.#memory
    const flags = memory.load32(frame, offset + SPACE_FLAGS)
    slot.faultDisable = this.faultDisable
    const reason = slot.decode(
      flags,
      memory.load32(frame, offset + SPACE_DOMAIN),
      memory.load32(frame, offset + SPACE_ROOT),
      memory.load32(frame, offset + SPACE_ROOT_HIGH),
      memory.load32(frame, offset + SPACE_STAGE2_ROOT),
    )
    this.faultDisable = slot.faultDisable
    return (flags & SPACE_VALID) === 0 ? absent : reason
  }
}
