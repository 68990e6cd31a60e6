// SPDX-License-Identifier: MIT
/** A machine with one device on a fault queue, and a process that pages: what the tests of this room share. */
import { createTransfer, type Transfer } from '../hardware/endpoints/dma-engine/transfer.ts'
import type { BoundDevice, FaultQueue, Ioas, Iommufd } from '../iommufd/iommufd.ts'
import { PROT_READ, PROT_WRITE } from '../kernel/mm/prot.ts'
import { createMachine, type Machine, type MachineProcess } from '../machine/machine.ts'
import { bytesSource } from './page-source.ts'
import { Pager, type PagerCosts } from './pager.ts'
import { ResidentSet } from './resident-set.ts'

export const SOURCE = 0x1000_0000n
export const DESTINATION = 0x2000_0000n

export interface RigOptions {
  readonly pages?: number
  readonly slots?: number
  readonly faultAround?: number
  readonly groupPages?: number
  readonly costs?: PagerCosts
}

export class Rig {
  readonly machine: Machine
  readonly program: MachineProcess
  readonly iommufd: Iommufd
  readonly queue: FaultQueue
  readonly ioas: Ioas
  readonly device: BoundDevice
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly resident: ResidentSet
  /** Where the slots lie in the process. */
  readonly window: bigint
  readonly pager: Pager

  constructor({ pages = 8, slots = 64, faultAround = 0, groupPages = 1, costs }: RigOptions = {}) {
    this.machine = createMachine({
      memoryBytes: 4 * 2 ** 20,
      iommus: [{ name: 'iommu0', model: 'simple' }],
      devices: [{ name: 'dma0', kind: 'dma-engine', iommu: 'iommu0', groupPages, transfersInFlight: 4 }],
    })
    this.program = this.machine.process()
    this.iommufd = this.program.openIommufd()
    this.queue = this.iommufd.allocFaultQueue()
    this.ioas = this.iommufd.allocIoas()
    this.device = this.iommufd.bind('dma0')
    this.device.attach(
      this.iommufd.allocHwpt({ device: this.device, parent: this.ioas, faultQueue: this.queue }),
    )
    this.source = Uint8Array.from({ length: pages * 4096 }, (_, index) => (index * 7 + (index >> 12)) & 0xff)
    this.destination = new Uint8Array(pages * 4096)
    this.resident = new ResidentSet(slots)
    this.window = this.program.mm.mmap({ lengthBytes: slots * 4096, prot: PROT_READ | PROT_WRITE })
    this.pager = new Pager(this.machine.world, {
      ioas: this.ioas,
      mm: this.program.mm,
      memory: this.machine.memory,
      window: this.window,
      resident: this.resident,
      faultAround,
      regions: [
        { iova: SOURCE, source: bytesSource(this.source), writeable: false },
        { iova: DESTINATION, source: bytesSource(this.destination), writeable: true },
      ],
      ...(costs === undefined ? {} : { costs }),
    })
  }

  /** Submits a copy of the whole source. */
  copy(onDone?: (transfer: Transfer) => void): Transfer {
    const transfer = createTransfer({
      op: 'copy',
      source: SOURCE,
      destination: DESTINATION,
      lengthBytes: this.source.length,
      ...(onDone === undefined ? {} : { onDone }),
    })
    this.machine.device('dma0').engine.submit(transfer)
    return transfer
  }

  get counters(): { readonly success: number; readonly invalid: number; readonly groups: number } {
    return this.machine.device('dma0').engine.counters
  }
}
