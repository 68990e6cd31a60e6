// SPDX-License-Identifier: MIT
import type { CommandQueue } from './commands.ts'
import { identification, type Smmuv3Config } from './config.ts'
import type { GlobalErrors } from './gerror.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import type { Queue } from './queue.ts'
import type { Stalls } from './stalls.ts'
import type { Streams } from './streams.ts'

const {
  CR0_CMDQEN,
  CR0_EVENTQEN,
  CR0_MASK,
  CR0_PRIQEN,
  CR0_SMMUEN,
  CR2_RECINVSID,
  GBPA_ABORT,
  GBPA_UPDATE,
  GERROR_CMDQ_ERR,
  IRQ_CTRL_EVENTQ,
  IRQ_CTRL_GERROR,
  IRQ_CTRL_PRIQ,
  SMMU_AIDR,
  SMMU_CMDQ_BASE,
  SMMU_CMDQ_CONS,
  SMMU_CMDQ_PROD,
  SMMU_CR0,
  SMMU_CR0ACK,
  SMMU_CR1,
  SMMU_CR2,
  SMMU_EVENTQ_BASE,
  SMMU_EVENTQ_CONS,
  SMMU_EVENTQ_PROD,
  SMMU_GBPA,
  SMMU_GERROR,
  SMMU_GERRORN,
  SMMU_IDR0,
  SMMU_IDR5,
  SMMU_IIDR,
  SMMU_IRQ_CTRL,
  SMMU_IRQ_CTRLACK,
  SMMU_PRIQ_BASE,
  SMMU_PRIQ_CONS,
  SMMU_PRIQ_PROD,
  SMMU_STRTAB_BASE,
  SMMU_STRTAB_BASE_CFG,
} = layout
const { Q_OVERFLOW } = queues

/** The other half of a 64-bit register. */
const HIGH = 4
/** AIDR: SMMUv3.2. */
const ARCHITECTURE = 2
const IRQ_CTRL_MASK = IRQ_CTRL_GERROR | IRQ_CTRL_PRIQ | IRQ_CTRL_EVENTQ

export interface RegisterParts {
  readonly errors: GlobalErrors
  readonly streams: Streams
  readonly commandQueue: Queue
  readonly eventQueue: Queue
  readonly priQueue: Queue
  readonly commands: CommandQueue
  readonly stalls: Stalls
}

/** The unit's registers. Base registers may change only while what they are the base of is off. */
export class RegisterFile {
  /** SMMUEN. */
  enabled = false
  /** GBPA.ABORT. */
  aborts = false
  /** CR2.RECINVSID. */
  recordsBadStreams = false
  /** Accesses to registers that do not exist: reads give 0, writes vanish. */
  unknownRegisters = 0
  readonly #identification: readonly number[]
  readonly #parts: RegisterParts
  #cr1 = 0

  constructor(config: Smmuv3Config, parts: RegisterParts) {
    this.#identification = identification(config)
    this.#parts = parts
  }

  read(offset: number): number {
    const { errors, commandQueue, eventQueue, priQueue, streams } = this.#parts
    if (offset >= SMMU_IDR0 && offset <= SMMU_IDR5) return this.#identification[offset >> 2]!
    switch (offset) {
      case SMMU_IIDR:
        return 0
      case SMMU_AIDR:
        return ARCHITECTURE
      case SMMU_CR0:
      case SMMU_CR0ACK:
        return this.#control()
      case SMMU_CR1:
        return this.#cr1
      case SMMU_CR2:
        return this.recordsBadStreams ? CR2_RECINVSID : 0
      case SMMU_GBPA:
        return this.aborts ? GBPA_ABORT : 0
      case SMMU_IRQ_CTRL:
      case SMMU_IRQ_CTRLACK:
        return errors.enabled
      case SMMU_GERROR:
        return errors.gerror
      case SMMU_GERRORN:
        return errors.gerrorn
      case SMMU_STRTAB_BASE:
        return streams.baseLo
      case SMMU_STRTAB_BASE + HIGH:
        return streams.baseHi
      case SMMU_STRTAB_BASE_CFG:
        return streams.format
      case SMMU_CMDQ_PROD:
        return commandQueue.prod
      case SMMU_CMDQ_CONS:
        return commandQueue.cons
      case SMMU_EVENTQ_PROD:
        return eventQueue.prod
      case SMMU_EVENTQ_CONS:
        return eventQueue.cons
      case SMMU_PRIQ_PROD:
        return priQueue.prod
      case SMMU_PRIQ_CONS:
        return priQueue.cons
      default:
        return this.#readBase(offset)
    }
  }

  write(offset: number, value: number): void {
    const { errors, commandQueue, priQueue, commands } = this.#parts
    switch (offset) {
      case SMMU_CR0:
        return this.#writeControl(value)
      case SMMU_CR1:
        this.#cr1 = value
        return undefined
      case SMMU_CR2:
        if (!this.enabled) this.recordsBadStreams = (value & CR2_RECINVSID) !== 0
        return undefined
      case SMMU_GBPA:
        if ((value & GBPA_UPDATE) !== 0) this.aborts = (value & GBPA_ABORT) !== 0
        return undefined
      case SMMU_IRQ_CTRL:
        errors.enabled = value & IRQ_CTRL_MASK
        return undefined
      case SMMU_GERRORN:
        return this.#acknowledge(value)
      case SMMU_CMDQ_PROD:
        commandQueue.prod = value & indexMask(commandQueue)
        return commands.run()
      case SMMU_EVENTQ_CONS:
        return this.#consumeEvents(value)
      case SMMU_PRIQ_CONS:
        priQueue.cons = value & (indexMask(priQueue) | Q_OVERFLOW)
        return undefined
      default:
        return this.#writeIdle(offset, value)
    }
  }

  #control(): number {
    const { commandQueue, eventQueue, priQueue } = this.#parts
    return (
      (this.enabled ? CR0_SMMUEN : 0) |
      (priQueue.on ? CR0_PRIQEN : 0) |
      (eventQueue.on ? CR0_EVENTQEN : 0) |
      (commandQueue.on ? CR0_CMDQEN : 0)
    )
  }

  #writeControl(value: number): void {
    const { commandQueue, eventQueue, priQueue, commands, stalls } = this.#parts
    const control = value & CR0_MASK
    const wasEnabled = this.enabled
    this.enabled = (control & CR0_SMMUEN) !== 0
    priQueue.enable((control & CR0_PRIQEN) !== 0)
    eventQueue.enable((control & CR0_EVENTQEN) !== 0)
    commandQueue.enable((control & CR0_CMDQEN) !== 0)
    if (wasEnabled && !this.enabled) stalls.terminateAll()
    stalls.pump()
    commands.run()
  }

  /** The command that was wrong is fetched again. */
  #acknowledge(value: number): void {
    const { errors, commands } = this.#parts
    const was = errors.isActive(GERROR_CMDQ_ERR)
    errors.gerrorn = value
    if (was) commands.run()
  }

  /** Stalls that waited for room are recorded. */
  #consumeEvents(value: number): void {
    const { eventQueue, stalls } = this.#parts
    eventQueue.cons = value & (indexMask(eventQueue) | Q_OVERFLOW)
    stalls.pump()
  }

  /** Of a queue and which half, or `undefined`. */
  #queueAt(base: number): Queue | undefined {
    const { commandQueue, eventQueue, priQueue } = this.#parts
    if (base === SMMU_CMDQ_BASE) return commandQueue
    if (base === SMMU_EVENTQ_BASE) return eventQueue
    return base === SMMU_PRIQ_BASE ? priQueue : undefined
  }

  #readBase(offset: number): number {
    const queue = this.#queueAt(offset & ~HIGH)
    if (queue !== undefined) return (offset & HIGH) === 0 ? queue.baseLo : queue.baseHi
    this.unknownRegisters++
    return 0
  }

  /** Registers that count only while something is off; CONS and PROD of the side that the unit advances are among them. */
  #writeIdle(offset: number, value: number): void {
    const { streams, commandQueue, eventQueue, priQueue } = this.#parts
    const queue = this.#queueAt(offset & ~HIGH)
    if (queue !== undefined) {
      if (queue.on) return
      if ((offset & HIGH) === 0) queue.baseLo = value
      else queue.baseHi = value
    } else if (offset === SMMU_STRTAB_BASE || offset === SMMU_STRTAB_BASE + HIGH) {
      if (this.enabled) return
      if (offset === SMMU_STRTAB_BASE) streams.baseLo = value
      else streams.baseHi = value
    } else if (offset === SMMU_STRTAB_BASE_CFG) {
      if (!this.enabled) streams.format = value
    } else if (offset === SMMU_CMDQ_CONS) {
      if (!commandQueue.on) commandQueue.cons = value
    } else if (offset === SMMU_EVENTQ_PROD) {
      if (!eventQueue.on) eventQueue.prod = value
    } else if (offset === SMMU_PRIQ_PROD) {
      if (!priQueue.on) priQueue.prod = value
    } else {
      this.unknownRegisters++
    }
  }
}

/** Index and wrap bit that a queue's registers hold; before it is on, all that fits. */
function indexMask(queue: Queue): number {
  return queue.on ? queue.mask : 0xfffff
}
