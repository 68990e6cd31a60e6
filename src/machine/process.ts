// SPDX-License-Identifier: MIT
import type { OpenOptions } from '../iommufd/context-file.ts'
import { type Iommufd, openIommufd } from '../iommufd/iommufd.ts'
import { Process, type ProcessOptions } from '../iommufd/process.ts'

/** A process of the machine: its memory, its descriptors, and /dev/iommu. */
export class MachineProcess extends Process {
  readonly #openOptions: OpenOptions

  constructor(openOptions: OpenOptions, options: ProcessOptions) {
    super(options)
    this.#openOptions = openOptions
  }

  /** Opens /dev/iommu. */
  openIommufd(): Iommufd {
    return openIommufd(this, this.#openOptions)
  }

  override fork(): MachineProcess {
    return this.adopt(new MachineProcess(this.#openOptions, this.childOptions()))
  }
}
