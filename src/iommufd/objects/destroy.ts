// SPDX-License-Identifier: MIT
import type { Destroy } from '../abi/index.ts'
import type { Context } from './context.ts'

/** IOMMU_DESTROY: ENOENT, EBUSY (`spec/02` §1.1). */
export function destroyObject(context: Context, command: Destroy): void {
  context.objects.destroyId(command.id)
  if (context.vfioIoas?.id === command.id) context.vfioIoas = undefined
}
