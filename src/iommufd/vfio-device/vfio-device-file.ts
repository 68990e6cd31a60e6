// SPDX-License-Identifier: MIT
import { EBADF, EBADFD, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP } from '../../base/errno.ts'
import type { RegisterSet } from '../../hardware/endpoints/dma-engine/registers/register-set.ts'
import type { Device } from '../../kernel/iommu/device.ts'
import { ContextFile } from '../context-file.ts'
import { type Caller, OpenFile } from '../files.ts'
import type { Context } from '../objects/context.ts'
import { deviceAttach, deviceDetach, deviceReplace, type Place } from '../objects/device/attachment.ts'
import { deviceBind, deviceUnbind } from '../objects/device/device-bind.ts'
import type { DeviceObject } from '../objects/device/device.ts'
import { PASID_NONE } from '../objects/device/igroup.ts'
import { closeArgument, openArgument, type UserArgument } from '../user-argument.ts'
import type { UserBuffer } from '../user-memory.ts'
import * as v from './constants.ts'
import { Interrupts } from './interrupts.ts'
import { Regions } from './regions.ts'

/** A device as its file needs it. */
export interface VfioFunction {
  readonly device: Device
  readonly registers: RegisterSet
}

interface Bound {
  readonly context: Context
  readonly object: DeviceObject
}

const BIND_BYTES = 16
const ATTACH_BYTES = 12
const DETACH_BYTES = 8
const INFO_BYTES = 16
const REGION_INFO_BYTES = 32
const IRQ_INFO_BYTES = 16
const IRQ_SET_BYTES = 20
/** More than any interrupt of ours has. */
const IRQ_DATA_MAX = 32

/** /dev/vfio/devices/vfioN (`spec/03` §6.2): useless until it is bound to an iommufd, then the device's registers. */
export class VfioDeviceFile extends OpenFile {
  override readonly positioned: boolean = true
  readonly #function: VfioFunction
  readonly #regions: Regions
  readonly #interrupts: Interrupts
  #bound: Bound | undefined = undefined

  constructor(path: string, vfioFunction: VfioFunction) {
    super(path)
    this.#function = vfioFunction
    const { registers, device } = vfioFunction
    if (device.config === undefined) throw ENODEV
    this.#regions = new Regions(registers, device.config)
    this.#interrupts = new Interrupts(registers)
  }

  override ioctl(caller: Caller, number: number, hi: number, lo: number): number {
    const body = this.#ioctlOf(number)
    const argument = openArgument(caller.memory, hi, lo)
    try {
      body(argument, caller)
    } finally {
      closeArgument(argument)
    }
    return 0
  }

  /** A position of 0 is in no region. */
  override read(buffer: UserBuffer): number {
    return this.pread(buffer, 0)
  }

  override write(buffer: UserBuffer): number {
    return this.pwrite(buffer, 0)
  }

  override pread(buffer: UserBuffer, offset: number): number {
    this.#checkBound()
    return this.#regions.read(buffer, offset)
  }

  override pwrite(buffer: UserBuffer, offset: number): number {
    this.#checkBound()
    return this.#regions.write(buffer, offset)
  }

  /** Detaches all PASIDs, then the RID, then unbinds. */
  protected override release(): void {
    this.#interrupts.release()
    if (this.#bound === undefined) return
    const { registers } = this.#function
    registers.onInterrupt = undefined
    registers.reset()
    const { context, object: device } = this.#bound
    const pasids = [...device.igroup.attachments.keys()].toSorted((a, b) => b - a)
    for (const pasid of pasids) deviceDetach({ context, device, pasid })
    deviceUnbind(context, device)
    context.file.put()
  }

  #ioctlOf(number: number): (argument: UserArgument, caller: Caller) => void {
    if (number === v.VFIO_DEVICE_BIND_IOMMUFD) return (argument, caller) => this.#bind(argument, caller)
    this.#checkBound()
    switch (number) {
      case v.VFIO_DEVICE_ATTACH_IOMMUFD_PT:
        return (argument) => this.#attach(argument)
      case v.VFIO_DEVICE_DETACH_IOMMUFD_PT:
        return (argument) => this.#detach(argument)
      case v.VFIO_DEVICE_GET_INFO:
        return (argument) => this.#getInfo(argument)
      case v.VFIO_DEVICE_GET_REGION_INFO:
        return (argument) => this.#getRegionInfo(argument)
      case v.VFIO_DEVICE_GET_IRQ_INFO:
        return (argument) => this.#getIrqInfo(argument)
      case v.VFIO_DEVICE_SET_IRQS:
        return (argument, caller) => this.#setIrqs(argument, caller)
      case v.VFIO_DEVICE_RESET:
        return () => this.#reset()
      default:
        throw ENOTTY
    }
  }

  /** EINVAL: bound already, a flag, no descriptor; EBADF, EBADFD, and those of the binding. */
  #bind(argument: UserArgument, caller: Caller): void {
    const { view } = argument
    takeStruct(argument, BIND_BYTES)
    const fd = view.getInt32(8, true)
    if (view.getInt32(4, true) !== 0 || fd < 0 || this.#bound !== undefined) throw EINVAL
    const file = caller.files.find(fd)
    if (file === undefined) throw EBADF
    if (!(file instanceof ContextFile)) throw EBADFD
    const { context } = file
    const object = deviceBind(context, this.#function.device)
    file.get()
    this.#bound = { context, object }
    this.#function.registers.onInterrupt = () => this.#interrupts.raised()
    view.setInt32(0, object.id, true)
    argument.copyOut(12, 0, 4)
  }

  /** Attaches, or moves what is attached there already. */
  #attach(argument: UserArgument): void {
    const { view } = argument
    takeStruct(argument, ATTACH_BYTES)
    const place = this.#place(argument, 12)
    const isAttached = place.device.igroup.attachments.get(place.pasid)?.devices.includes(place.device)
    const id = (isAttached === true ? deviceReplace : deviceAttach)(place, view.getInt32(8, true))
    view.setInt32(0, id, true)
    argument.copyOut(8, 0, 4)
  }

  #detach(argument: UserArgument): void {
    takeStruct(argument, DETACH_BYTES)
    deviceDetach(this.#place(argument, 8))
  }

  /** Who attaches, with the PASID at that place of the struct when there is one. EINVAL, EOPNOTSUPP. */
  #place(argument: UserArgument, pasidAt: number): Place {
    const { view } = argument
    const { context, object: device } = this.#bound!
    const flags = view.getInt32(4, true)
    if ((flags & ~v.VFIO_DEVICE_ATTACH_PASID) !== 0) throw EINVAL
    if (flags === 0) return { context, device, pasid: PASID_NONE }
    if (view.getInt32(0, true) >>> 0 < pasidAt + 4) throw EINVAL
    if (device.device.maxPasids === 0) throw EOPNOTSUPP
    argument.copyIn(0, pasidAt + 4)
    const pasid = view.getInt32(pasidAt, true)
    if (pasid === PASID_NONE) throw EINVAL
    return { context, device, pasid }
  }

  #getInfo(argument: UserArgument): void {
    const { view } = argument
    takeStruct(argument, INFO_BYTES)
    view.setInt32(4, v.VFIO_DEVICE_FLAGS_PCI | v.VFIO_DEVICE_FLAGS_RESET, true)
    view.setInt32(8, v.VFIO_PCI_NUM_REGIONS, true)
    view.setInt32(12, v.VFIO_PCI_NUM_IRQS, true)
    argument.copyOut(0, 0, INFO_BYTES)
  }

  #getRegionInfo(argument: UserArgument): void {
    const { view } = argument
    takeStruct(argument, REGION_INFO_BYTES)
    const index = view.getInt32(8, true) >>> 0
    if (index === v.VFIO_PCI_VGA_REGION_INDEX) throw EINVAL
    const { flags, bytes, offset } = this.#regions.info(index)
    view.setInt32(4, flags, true)
    view.setInt32(12, 0, true)
    view.setBigUint64(16, BigInt(bytes), true)
    view.setBigUint64(24, BigInt(offset), true)
    argument.copyOut(0, 0, REGION_INFO_BYTES)
  }

  #getIrqInfo(argument: UserArgument): void {
    const { view } = argument
    takeStruct(argument, IRQ_INFO_BYTES)
    const { flags, count } = this.#interrupts.info(view.getInt32(8, true) >>> 0)
    view.setInt32(4, flags, true)
    view.setInt32(12, count, true)
    argument.copyOut(0, 0, IRQ_INFO_BYTES)
  }

  #setIrqs(argument: UserArgument, caller: Caller): void {
    const { view } = argument
    takeStruct(argument, IRQ_SET_BYTES)
    const [size = 0, flags = 0, index = 0, start = 0, count = 0] = [0, 4, 8, 12, 16].map(
      (at) => view.getInt32(at, true) >>> 0,
    )
    if (count > IRQ_DATA_MAX) throw EINVAL
    const isFd = (flags & v.VFIO_IRQ_SET_DATA_EVENTFD) !== 0
    const width = isFd ? 4 : (flags & v.VFIO_IRQ_SET_DATA_BOOL) === 0 ? 0 : 1
    if (size - IRQ_SET_BYTES < width * count) throw EINVAL
    if (width * count > 0) argument.copyIn(IRQ_SET_BYTES, width * count)
    const data = Array.from({ length: width === 0 ? 0 : count }, (_, i) =>
      isFd ? view.getInt32(4 * i, true) : view.getUint8(i),
    )
    this.#interrupts.set(caller, { flags, index, start, count, data })
  }

  #reset(): void {
    this.#function.registers.reset()
    this.#regions.config.reset()
  }

  #checkBound(): void {
    if (this.#bound === undefined) throw EINVAL
  }
}

/** The struct's first bytes, of which the caller's size must have all. EINVAL, EFAULT. */
function takeStruct(argument: UserArgument, bytes: number): void {
  argument.copyIn(0, bytes)
  if (argument.view.getInt32(0, true) >>> 0 < bytes) throw EINVAL
}
