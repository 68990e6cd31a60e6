// SPDX-License-Identifier: MIT
/** What one part of a scenario says about another: names that must exist, numbers that must fit. */
import type { DeviceSection, Scenario } from '../../scenario/document.ts'
import { didYouMean } from '../suggest.ts'

/** 2^7 pages of 128 records. */
const VTD_REQUESTS_MAX = 16_384

/** The part of zod's refinement context that is used here. */
export interface IssueSink {
  addIssue(issue: { code: 'custom'; path: (string | number)[]; params: { expected: string } }): void
}

export function checkReferences(scenario: Scenario, sink: IssueSink): void {
  const report = (path: (string | number)[], expected: string): void =>
    sink.addIssue({ code: 'custom', path, params: { expected } })
  checkNames(scenario, report)
  checkIommus(scenario, report)
  scenario.machine.devices.forEach((device, index) => checkDevice(scenario, device, index, report))
  checkWorkload(scenario, report)
}

type Report = (path: (string | number)[], expected: string) => void

function checkNames(scenario: Scenario, report: Report): void {
  for (const list of ['iommus', 'devices'] as const) {
    const seen = new Set<string>()
    scenario.machine[list].forEach(({ name }, index) => {
      if (seen.has(name))
        report(['machine', list, index, 'name'], `a name that no other entry of ${list} has`)
      seen.add(name)
    })
  }
}

function checkIommus({ machine }: Scenario, report: Report): void {
  machine.iommus.forEach((iommu, index) => {
    const entries = iommu.pageRequestQueueEntries
    const isPowerOfTwo = (entries & (entries - 1)) === 0
    const path = ['machine', 'iommus', index, 'pageRequestQueueEntries']
    if (!isPowerOfTwo) report(path, 'a power of two')
    else if (iommu.model === 'vtd' && entries > VTD_REQUESTS_MAX)
      report(path, `at most ${VTD_REQUESTS_MAX}, the largest PQA.PQS of a VT-d unit`)
    if (iommu.model === 'smmuv3' && iommu.format === 'x86-64-5level')
      report(['machine', 'iommus', index, 'format'], 'x86-64-4level: tables of an SMMUv3 have 4 levels')
  })
  const fits = machine.memory <= 2 ** 32 && machine.memory % 4096 === 0
  if (!fits) report(['machine', 'memory'], 'a size of at most 4GiB in whole 4 KiB pages')
}

function checkDevice({ machine }: Scenario, device: DeviceSection, index: number, report: Report): void {
  const path = (...rest: string[]): (string | number)[] => ['machine', 'devices', index, ...rest]
  const names = machine.iommus.map((iommu) => iommu.name)
  const iommu = machine.iommus.find((candidate) => candidate.name === device.iommu)
  if (iommu === undefined) report(path('iommu'), oneOfNames('machine.iommus', device.iommu, names))
  else if (device.pasid.bits > iommu.pasidBits) {
    report(path('pasid', 'bits'), `at most ${iommu.pasidBits}, the pasidBits of ${iommu.name}`)
  }
  if (iommu?.model === 'smmuv3' && device.privateData)
    report(path('privateData'), 'false: stalled transactions of an SMMUv3 carry no private data')
  const { capacity, allocation } = device.pri
  if (allocation > capacity) report(path('pri', 'allocation'), `at most pri.capacity, which is ${capacity}`)
  if (device.groupPages > allocation)
    report(path('groupPages'), `at most pri.allocation, which is ${allocation}`)
}

function checkWorkload(scenario: Scenario, report: Report): void {
  const { workload } = scenario
  workload.streams.forEach((stream, index) => {
    const path = ['workload', 'streams', index]
    checkTarget(scenario, stream, path, report)
    if (scenario.process.handler.mode === 'sva') checkSvaStream(scenario, stream, path, report)
  })
  const targets = workload.streams.map((stream) => `${stream.device} ${stream.pasid}`)
  targets.forEach((target, index) => {
    if (targets.indexOf(target) < index) {
      report(['workload', 'streams', index], 'a device and PASID that no other stream has')
    }
  })
  workload.events.forEach((event, index) =>
    checkTarget(scenario, event, ['workload', 'events', index], report),
  )
}

/** The kernel chooses the PASID of an address space; the device must have PASIDs at all. */
function checkSvaStream(
  { machine }: Scenario,
  stream: Target,
  path: (string | number)[],
  report: Report,
): void {
  const device = machine.devices.find(({ name }) => name === stream.device)
  const models = new Set(machine.iommus.map(({ model }) => model === 'smmuv3'))
  if (models.size > 1) {
    report(
      [...path, 'device'],
      'units of one processor: an SMMUv3 walks no tables of x86-64, others none of Arm',
    )
  } else if (stream.pasid !== 'none') {
    report([...path, 'pasid'], 'none, because the kernel chooses the PASID where process.handler.mode is sva')
  } else if (device?.pasid.bits === 0) {
    report([...path, 'device'], 'a device with pasid.bits, because process.handler.mode is sva')
  }
}

interface Target {
  readonly device: string
  readonly pasid: number | 'none'
}

function checkTarget({ machine }: Scenario, target: Target, path: (string | number)[], report: Report): void {
  const names = machine.devices.map((device) => device.name)
  const device = machine.devices.find((candidate) => candidate.name === target.device)
  if (device === undefined) {
    report([...path, 'device'], oneOfNames('machine.devices', target.device, names))
    return
  }
  const pasidLimit = 2 ** device.pasid.bits - 1
  if (target.pasid !== 'none' && target.pasid > pasidLimit) {
    const expected = pasidLimit === 0 ? 'none' : `at most ${pasidLimit}`
    report([...path, 'pasid'], `${expected}, because pasid.bits of ${device.name} is ${device.pasid.bits}`)
  }
}

function oneOfNames(where: string, word: string, names: readonly string[]): string {
  return `a name of ${where} (${names.join(', ')})${didYouMean(word, names)}`
}
