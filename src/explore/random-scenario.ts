// SPDX-License-Identifier: MIT
import { PAGE_BYTES } from '../base/u64.ts'
import { MISBEHAVIOURS } from '../handlers/misbehaviour.ts'
import { UNIT_MODELS, type UnitModel } from '../machine/config.ts'
import {
  DEFAULT_DEVICE,
  DEFAULT_HANDLER,
  DEFAULT_IOMMU,
  defaultLatencies,
  scenarioOf,
} from '../scenario/defaults.ts'
import type {
  DeviceSection,
  EventSection,
  HandlerSection,
  IommuSection,
  PolicySection,
  Scenario,
  StreamSection,
  WorkloadSection,
} from '../scenario/document.ts'
import { Rng } from '../sim/rng.ts'

/**
 * A small scenario drawn from a seed: one or two devices, tiny rings and credits, PASIDs, groups of several pages,
 * misbehaving handlers, wishes on and off, devices detached, replaced and removed in mid-flight, failures injected.
 */
export function randomScenario(seed: number): Scenario {
  const rng = new Rng(seed)
  const devices = drawDevices(rng, seed)
  const sva = rng.chance(0.25)
  const streams = drawStreams(rng, devices, sva)
  const groupPagesMax = Math.max(...devices.map((device) => device.groupPages))
  return scenarioOf({
    name: `seed-${seed}`,
    seed,
    decisions: 'random',
    random: { latencySpread: 0.9, failureChance: rng.chance(0.5) ? 0 : pick(rng, [0.002, 0.01, 0.05]) },
    machine: { memory: 4 * 2 ** 20, iommus: [drawIommu(rng, seed)], devices },
    latencies: { ...defaultLatencies(), wakeUp: 3000, pageRequest: pick(rng, [500, 500, 30_000]) },
    policy: drawPolicy(rng),
    process: { handler: drawHandler(rng, sva, groupPagesMax) },
    workload: drawWorkload(rng, streams, sva),
    expect: { digests: 'any', transfers: 'any' },
  })
}

function pick<T>(rng: Rng, values: readonly T[]): T {
  return values[rng.below(values.length)]!
}

/** Models take turns. */
function modelOf(seed: number): UnitModel {
  return UNIT_MODELS[seed % UNIT_MODELS.length]!
}

function drawIommu(rng: Rng, seed: number): IommuSection {
  const model = modelOf(seed)
  const pageRequestQueueEntries = pick(rng, [2, 4, 8, 64])
  const format = pick(rng, ['x86-64-4level', 'x86-64-5level'] as const)
  const fits = model !== 'smmuv3'
  return { ...DEFAULT_IOMMU, model, pageRequestQueueEntries, format: fits ? format : 'x86-64-4level' }
}

function drawDevices(rng: Rng, seed: number): DeviceSection[] {
  return Array.from({ length: 1 + rng.below(2) }, (_, index) => {
    const capacity = pick(rng, [1, 2, 5, 16])
    const allocation = 1 + rng.below(capacity)
    return {
      ...DEFAULT_DEVICE,
      name: `dma${index}`,
      pri: { capacity, allocation },
      pasid: { bits: pick(rng, [4, 20]) },
      groupPages: 1 + rng.below(Math.min(4, allocation)),
      transfersInFlight: 1 + rng.below(3),
      privateData: rng.chance(0.3) && modelOf(seed) !== 'smmuv3',
    }
  })
}

function drawStreams(rng: Rng, devices: readonly DeviceSection[], sva: boolean): StreamSection[] {
  return devices.flatMap(({ name }): StreamSection[] => {
    if (sva) return [{ device: name, pasid: 'none' }]
    const choices: StreamSection[] = [
      { device: name, pasid: 'none' },
      { device: name, pasid: 3 },
      { device: name, pasid: 7 },
    ]
    return choices.filter((_, index) => index === 0 || rng.chance(0.4))
  })
}

function drawPolicy(rng: Rng): PolicySection {
  return {
    quotaPerDevice: rng.chance(0.2) ? 1 + rng.below(4) : 'none',
    responseTimeout: rng.chance(0.25) ? 20_000 + rng.below(200_000) : 'none',
    timeoutCode: pick(rng, ['failure', 'invalid']),
    unifiedHandler: rng.chance(0.2),
    privateData: rng.chance(0.3),
  }
}

function drawHandler(rng: Rng, sva: boolean, groupPagesMax: number): HandlerSection {
  const faultAround = rng.below(3)
  const leastSlots = 2 * 2 * 3 * (groupPagesMax + faultAround)
  return {
    ...DEFAULT_HANDLER,
    mode: sva ? 'sva' : 'fault-queue',
    style: pick(rng, ['sync', 'async']),
    batch: pick(rng, [1, 3, 32]),
    inFlight: pick(rng, [1, 2, 64]),
    faultAround,
    residentLimit: rng.chance(0.4) ? leastSlots * PAGE_BYTES : 'none',
    misbehaviour: { kind: pick(rng, MISBEHAVIOURS), after: rng.below(20), delay: 50_000 },
  }
}

function drawWorkload(rng: Rng, streams: StreamSection[], sva: boolean): WorkloadSection {
  const lengthBytes = rng.below(24 * PAGE_BYTES)
  return {
    source: { kind: 'pattern', lengthBytes },
    destination: 'none',
    chunk: 1 + rng.below(5 * PAGE_BYTES),
    streams,
    events: rng.chance(0.6) ? drawEvents(rng, streams, sva) : [],
  }
}

function drawEvents(rng: Rng, streams: StreamSection[], sva: boolean): EventSection[] {
  return Array.from({ length: 1 + rng.below(3) }, () => {
    const { device, pasid } = pick(rng, streams)
    const what = pick(rng, sva ? (['detach', 'remove'] as const) : (['detach', 'replace', 'remove'] as const))
    return { at: rng.below(300_000), do: what, device, pasid }
  })
}
