// SPDX-License-Identifier: MIT
import type { Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'

/** Switches the whole group; throws and leaves the old domain when a device refuses (`spec/01` §2.1). */
export function setGroupDomain(_group: IommuGroup, _domain: Domain): void {}
