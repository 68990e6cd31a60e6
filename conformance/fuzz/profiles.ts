// SPDX-License-Identifier: MIT
/** What a random program is made of: steps by weight, one list a profile. */
import * as access from './steps-access.ts'
import * as devices from './steps-devices.ts'
import * as faults from './steps-faults.ts'
import * as ioas from './steps-ioas.ts'
import * as process from './steps-process.ts'
import * as viommu from './steps-viommu.ts'
import type { FuzzState } from './state.ts'

export type StepMaker = (state: FuzzState) => void
type Weights = readonly (readonly [weight: number, make: StepMaker])[]

export interface Profile {
  /** Made at the start of every program, in order. */
  readonly start: readonly StepMaker[]
  readonly steps: Weights
  /** See `StateOptions`. */
  readonly singlePages?: boolean
}

const OBJECTS: Weights = [
  [1, ioas.allocIoas],
  [2, devices.mockDomain],
  [3, devices.allocHwpt],
  [3, devices.destroy],
  [1, process.hostileCall],
]

const ATTACHING: Weights = [
  [5, devices.replace],
  [5, devices.pasidAttach],
  [3, devices.pasidReplace],
  [2, devices.pasidDetach],
  [1, devices.pasidCheck],
]

const FAULTS: Weights = [
  [24, faults.trigger],
  [12, faults.readFaults],
  [12, faults.writeResponses],
  [3, faults.poll],
  [0.5, faults.closeQueue],
  [1, devices.allocQueue],
]

const EXTENDED_FAULTS: Weights = [
  [30, faults.report],
  [3, faults.counts],
  [6, faults.responses],
]

const MAPPING: Weights = [
  [20, ioas.map],
  [4, ioas.mapFile],
  [8, ioas.copy],
  [14, ioas.unmap],
  [3, ioas.ranges],
  [2, ioas.allow],
  [2, ioas.reserve],
  [2, ioas.option],
  [0.5, ioas.changeProcess],
  [4, ioas.checkMap],
  [2, ioas.checkRefs],
]

const MEMORY: Weights = [
  [8, process.changeMemory],
  [2, process.memfd],
  [2, process.truncate],
  [3, process.counter],
  [1, process.limits],
]

const ACCESS: Weights = [
  [3, access.createAccess],
  [10, access.pinPages],
  [6, access.unpinPages],
  [10, access.readWrite],
  [2, access.replaceIoas],
  [1, access.closeAccess],
  [2, access.getDmabuf],
  [3, access.revokeDmabuf],
]

const DIRTY: Weights = [
  [4, devices.setDirtyTracking],
  [6, devices.setDirty],
  [6, devices.getDirty],
]

const NESTING: Weights = [
  [4, devices.allocNested],
  [3, viommu.allocViommu],
  [4, viommu.allocVdevice],
  [3, viommu.allocEventQueue],
  [8, viommu.triggerEvent],
  [6, viommu.readEvents],
  [0.5, viommu.closeEvents],
  [4, viommu.allocHwQueue],
  [6, viommu.invalidate],
  [3, viommu.checkCaches],
  [3, viommu.mapViommu],
  [2, devices.hwInfo],
]

const PROCESSES: Weights = [
  [3, process.fork],
  [1, process.exit],
  [3, process.send],
  [3, process.dup],
  [2, process.close],
  [5, process.oddCall],
  [1, process.openContext],
  [0.5, process.closeContext],
]

const VFIO: Weights = [
  [4, process.vfioIoas],
  [3, process.vfioSet],
  [4, process.vfioQuery],
  [12, process.vfioMap],
  [10, process.vfioUnmap],
]

const { openContext } = process
const { allocIoas } = ioas
const { mockDomain, allocQueue, allocHwpt, prepareFaults, prepareParent } = devices

function scaled(weights: Weights, factor: number): Weights {
  return weights.map(([weight, make]) => [weight * factor, make])
}

const PROFILES = {
  faults: {
    start: [
      openContext,
      allocIoas,
      mockDomain,
      mockDomain,
      allocQueue,
      allocQueue,
      prepareFaults,
      prepareFaults,
    ],
    steps: [...OBJECTS, ...ATTACHING, ...FAULTS, ...scaled(NESTING, 0.1), ...scaled(PROCESSES, 0.05)],
  },
  ioas: {
    start: [openContext, allocIoas, allocIoas, devices.perhapsDevice, process.memfd],
    steps: [
      ...OBJECTS,
      ...MAPPING,
      ...scaled(MEMORY, 0.6),
      ...scaled(ACCESS, 0.1),
      ...scaled(ATTACHING, 0.1),
    ],
  },
  access: {
    start: [
      openContext,
      allocIoas,
      devices.perhapsDevice,
      ioas.map,
      ioas.map,
      access.createAccess,
      access.createAccess,
    ],
    steps: [
      ...scaled(OBJECTS, 0.4),
      ...scaled(MAPPING, 0.5),
      ...ACCESS,
      ...scaled(MEMORY, 0.4),
      ...scaled(PROCESSES, 0.1),
    ],
  },
  hwpt: {
    singlePages: true,
    start: [
      openContext,
      allocIoas,
      mockDomain,
      devices.prepareDirty,
      process.mapHuge,
      ioas.map,
      ioas.map,
      ioas.map,
      allocQueue,
      allocHwpt,
    ],
    steps: [...OBJECTS, ...ATTACHING, ...DIRTY, ...scaled(MAPPING, 0.4), ...scaled(NESTING, 0.3)],
  },
  viommu: {
    singlePages: true,
    start: [
      openContext,
      allocIoas,
      mockDomain,
      mockDomain,
      allocQueue,
      prepareParent,
      viommu.allocViommu,
      viommu.allocVdevice,
      viommu.allocVdevice,
      viommu.allocEventQueue,
      devices.allocNested,
      devices.replace,
      ioas.map,
    ],
    steps: [
      ...OBJECTS,
      ...ATTACHING,
      ...NESTING,
      ...scaled(MAPPING, 0.15),
      ...scaled(FAULTS, 0.15),
      ...scaled(PROCESSES, 0.1),
    ],
  },
  vfio: {
    start: [openContext, allocIoas, devices.perhapsDevice, process.vfioIoas],
    steps: [
      ...scaled(OBJECTS, 0.5),
      ...VFIO,
      ...scaled(MAPPING, 0.2),
      ...scaled(ACCESS, 0.1),
      ...scaled(MEMORY, 0.3),
    ],
  },
  process: {
    start: [openContext, allocIoas, mockDomain, allocQueue, prepareFaults, ioas.map],
    steps: [
      ...PROCESSES,
      ...scaled(OBJECTS, 0.6),
      ...scaled(MAPPING, 0.3),
      ...scaled(FAULTS, 0.2),
      ...scaled(ACCESS, 0.3),
      ...MEMORY,
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>

export type ProfileName = keyof typeof PROFILES

export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES)

export function isProfile(name: string): name is ProfileName {
  return name in PROFILES
}

/** With the extended kernel faults are reported one by one, and responses are seen. */
export function profileNamed(name: ProfileName, extended: boolean): Profile {
  const profile: Profile = PROFILES[name]
  if (!extended) return profile
  const factor = name === 'faults' ? 1 : 0.1
  return { ...profile, steps: [...profile.steps, ...scaled(EXTENDED_FAULTS, factor)] }
}
