// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import { vtdFirstStage } from '../../page-tables/formats/vtd-first-stage.ts'
import { vtdSecondStage } from '../../page-tables/formats/vtd-second-stage.ts'
import { Walker } from '../../page-tables/walker.ts'
import type { VtdConfig } from './config.ts'
import * as tables from './layout-tables.ts'

const { AW_39, AW_48, AW_57, FSPM_4_LEVEL, FSPM_5_LEVEL, PASID_NXE, PASID_SMEP, PASID_WPE } = tables

/** A walker for each way in which PASID entries have tables read, made when it is first asked for. */
export class Walkers {
  readonly #memory: PhysicalMemory
  readonly #config: VtdConfig
  readonly #byRules: Map<number, Walker>

  constructor(memory: PhysicalMemory, config: VtdConfig) {
    this.#memory = memory
    this.#config = config
    this.#byRules = new Map()
  }

  /** By FSPM and word 4 of the entry; `undefined`: the unit has no such first stage. */
  firstStage(word4: number): Walker | undefined {
    const mode = (word4 & tables.PASID_FSPM_MASK) >>> tables.PASID_FSPM_SHIFT
    const known = mode === FSPM_4_LEVEL || (mode === FSPM_5_LEVEL && this.#config.fiveLevel)
    if (!known || !this.#config.firstStage) return undefined
    const rules = word4 & (PASID_WPE | PASID_NXE | PASID_SMEP)
    return this.#get(rules | mode, () =>
      vtdFirstStage({
        levels: mode === FSPM_4_LEVEL ? 4 : 5,
        writeProtect: (rules & PASID_WPE) !== 0,
        noExecute: (rules & PASID_NXE) !== 0,
        smep: (rules & PASID_SMEP) !== 0,
      }),
    )
  }

  /**
   * By AW and SSADE of the entry; `undefined`: the unit has no such second stage. `nested`: below a first stage, whose
   * walk is under way when this one is needed.
   */
  secondStage(width: number, usage: boolean, nested: boolean): Walker | undefined {
    const known = width === AW_39 || width === AW_48 || (width === AW_57 && this.#config.fiveLevel)
    if (!known || !this.#config.secondStage) return undefined
    const key = 0x1000 | (width << 8) | (usage ? 2 : 0) | (nested ? 1 : 0)
    return this.#get(key, () => vtdSecondStage(width === AW_39 ? 3 : width === AW_48 ? 4 : 5, usage))
  }

  #get(key: number, format: () => ReturnType<typeof vtdFirstStage>): Walker {
    const known = this.#byRules.get(key)
    if (known !== undefined) return known
    const walker = new Walker(this.#memory, format())
    this.#byRules.set(key, walker)
    return walker
  }
}
