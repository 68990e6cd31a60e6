// SPDX-License-Identifier: MIT
import { ENODEV, EOPNOTSUPP } from '../../base/errno.ts'
import {
  IOMMU_VFIO_IOAS_CLEAR,
  IOMMU_VFIO_IOAS_GET,
  IOMMU_VFIO_IOAS_SET,
  type VfioIoas,
} from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import type { IoasObject } from '../objects/ioas/ioas.ts'
import { getIoas } from '../objects/lookup.ts'

/** IOMMU_VFIO_IOAS: which IOAS the ioctls of VFIO work on. EOPNOTSUPP, ENODEV, ENOENT (`spec/02` §10). */
export function vfioIoas(context: Context, command: VfioIoas): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  if (command.op === IOMMU_VFIO_IOAS_GET) command.ioas_id = compatIoas(context).id
  else if (command.op === IOMMU_VFIO_IOAS_SET) context.vfioIoas = getIoas(context, command.ioas_id)
  else if (command.op === IOMMU_VFIO_IOAS_CLEAR) context.vfioIoas = undefined
  else throw EOPNOTSUPP
}

/** Only GET answers. */
export function answersVfioIoas(command: VfioIoas): boolean {
  return command.op === IOMMU_VFIO_IOAS_GET
}

/** ENODEV: none is set. */
export function compatIoas(context: Context): IoasObject {
  const ioas = context.vfioIoas
  if (ioas === undefined) throw ENODEV
  return ioas
}
