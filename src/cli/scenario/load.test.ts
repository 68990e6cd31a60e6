// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scenarioOf } from '../../scenario/defaults.ts'
import type { Scenario } from '../../scenario/document.ts'
import { CliError, EXIT_INPUT, EXIT_USAGE } from '../exit.ts'
import { complaintAt, loadScenario } from './load.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-load-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const MINIMAL = 'name: x\nworkload: { source: { zeros: 1MiB } }\n'

function load(text: string, ...settings: string[]): Scenario {
  const path = join(folder, 's.yaml')
  writeFileSync(path, text)
  return loadScenario(path, settings).scenario
}

/** The error's text with the temporary folder taken out. */
function complaint(text: string, ...settings: string[]): string {
  return failure(text, ...settings).message.replaceAll(`${folder}/`, '')
}

function failure(text: string, ...settings: string[]): CliError {
  try {
    load(text, ...settings)
  } catch (error) {
    if (error instanceof CliError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('a scenario', () => {
  it('needs a name and a source; everything else has the default of the library', () => {
    const source = { kind: 'zeros', lengthBytes: 1_048_576 } as const
    const { workload, ...rest } = scenarioOf({ name: 'x' })
    expect(load(MINIMAL)).toEqual({ ...rest, workload: { ...workload, source } })
  })

  it('takes the allocation from the capacity and the stream from the first device', () => {
    const { machine, workload } = load(
      `${MINIMAL}machine: { devices: [{ name: nic0, pri: { capacity: 8 } }] }\n`,
    )
    expect(machine.devices[0]?.pri).toEqual({ capacity: 8, allocation: 8 })
    expect(workload.streams).toEqual([{ device: 'nic0', pasid: 'none' }])
  })

  it('finds files beside the document', () => {
    const { workload } = load('name: x\nworkload: { source: in.bin, destination: sub/out.bin }')
    expect(workload.source).toEqual({ kind: 'file', path: join(folder, 'in.bin') })
    expect(workload.destination).toBe(join(folder, 'sub/out.bin'))
  })
})

describe('a wrong scenario is refused with place, path, value and expectation:', () => {
  it.each([
    [
      'an unknown key',
      'sede: 1',
      's.yaml:3:1: sede: got unknown key "sede", expected one of',
      'did you mean "seed"?',
    ],
    [
      'an unknown key far inside',
      'machine:\n  devices:\n    - pri: { capcity: 4 }',
      's.yaml:5:14: machine.devices.0.pri.capcity: got unknown key "capcity", expected one of capacity, allocation',
      'did you mean "capacity"?',
    ],
    [
      'a wrong unit',
      'latencies: { ats: 5 parsecs }',
      's.yaml:3:19: latencies.ats: got "5 parsecs", expected a duration in ns, us, ms, s, not in "parsecs"',
    ],
    [
      'a size for a duration',
      'latencies:\n  dma: 4KiB',
      's.yaml:4:8: latencies.dma: got "4KiB", expected a duration in ns, us, ms, s',
    ],
    [
      'a wrong choice',
      'decisions: randm',
      's.yaml:3:12: decisions: got "randm", expected one of default, random',
      '"random"?',
    ],
    ['a negative number', 'seed: -1', 's.yaml:3:7: seed: got -1, expected at least 0'],
    ['a huge number', 'seed: 1e30', 's.yaml:3:7: seed: got 1e+30, expected at most 4294967295'],
    ['not a number', 'seed: .nan', 's.yaml:3:7: seed: got NaN, expected a'],
    ['a fraction', 'seed: 1.5', 's.yaml:3:7: seed: got 1.5, expected a whole number'],
    ['a text for a truth', 'policy: { privateData: yes }', 'got "yes", expected true or false'],
    ['a text for a mapping', 'machine: big', 's.yaml:3:10: machine: got "big", expected a mapping'],
    ['a mapping for a list', 'machine: { devices: { name: a } }', 'got a mapping, expected a list'],
    ['nothing for a mapping', 'machine:', 'machine: got null, expected a mapping'],
    ['an empty list', 'machine: { devices: [] }', 'got a list of 0, expected at least 1 entries'],
    [
      'neither a number nor none',
      'policy: { quotaPerDevice: many }',
      's.yaml:3:27: policy.quotaPerDevice: got "many", expected none, or a number',
    ],
    [
      'too small a limit',
      'process: { handler: { residentLimit: 12 } }',
      'process.handler.residentLimit: got 12, expected none, or a size of at least 4096',
    ],
    [
      'a name that is none',
      'machine: { iommus: [{ name: a b }] }',
      'got "a b", expected a name of at most 64',
    ],
  ])('%s', (_what, lines, ...messages) => {
    const text = complaint(`${MINIMAL}${lines}\n`)
    for (const message of messages) expect(text).toContain(message)
    expect(text).toContain('\nnext: ')
  })

  it.each([
    ['a missing name', 'workload: { source: x }', 's.yaml:1:1: name: got nothing, expected a text'],
    ['a missing workload', 'name: x', 's.yaml:1:1: workload: got nothing, expected a mapping'],
    ['a missing source', 'name: x\nworkload: {}', 's.yaml:2:11: workload.source: got nothing, expected'],
    [
      'two sources',
      'name: x\nworkload: { source: { zeros: 1, pattern: 1 } }',
      'expected a path, { zeros: SIZE }',
    ],
    ['an empty source', 'name: x\nworkload: { source: "" }', 'got "", expected a text that is not empty'],
    [
      'a wrong word in a source',
      'name: x\nworkload: { source: { zeroes: 1 } }',
      's.yaml:2:23: workload.source.zeroes: got unknown key "zeroes", expected one of zeros, pattern; did you mean "zeros"?',
    ],
    ['a text', 'hello', 's.yaml:1:1: the document: got "hello", expected a mapping'],
  ])('%s', (_what, text, message) => {
    expect(complaint(text)).toContain(message)
  })

  it('all problems at once, in the order of the text', () => {
    const lines = complaint('name: 7\nsede: 1\nworkload:\n  chunk: 0\n').split('\n')
    expect(lines.map((line) => line.split(': ')[0])).toEqual([
      's.yaml:1:7',
      's.yaml:2:1',
      's.yaml:4:3',
      's.yaml:4:10',
      'next',
    ])
  })

  it('keys of the language itself are keys like others', () => {
    expect(complaint(`${MINIMAL}__proto__: { seed: 5 }\n`)).toContain('got unknown key "__proto__"')
    expect(complaint(`${MINIMAL}constructor: 5\n`)).toContain('got unknown key "constructor"')
  })
})

describe('what one part says about another must fit:', () => {
  const DEVICES = '{ devices: [{ name: dma0, pri: { capacity: 4 }, pasid: { bits: 3 } }] }'

  it.each([
    [
      'an IOMMU that is not there',
      'machine: { devices: [{ iommu: iomu0 }] }',
      'machine.devices.0.iommu: got "iomu0", expected a name of machine.iommus (iommu0); did you mean "iommu0"?',
    ],
    [
      'a name twice',
      'machine: { devices: [{ name: a }, { name: a }] }',
      'a name that no other entry of devices has',
    ],
    [
      'an allocation over the capacity',
      'machine: { devices: [{ pri: { capacity: 4, allocation: 5 } }] }',
      'which is 4',
    ],
    [
      'a group over the allocation',
      'machine: { devices: [{ pri: { capacity: 4 }, groupPages: 5 }] }',
      'which is 4',
    ],
    [
      'a ring that is no power of two',
      'machine: { iommus: [{ pageRequestQueueEntries: 100 }] }',
      'a power of two',
    ],
    ['memory with a broken page', 'machine: { memory: 1048577 }', 'whole 4 KiB pages'],
    ['memory over 4 GiB', 'machine: { memory: 5GiB }', 'at most 4GiB'],
    [
      'more PASID bits than the unit',
      'machine: { iommus: [{ pasidBits: 8 }] }',
      'at most 8, the pasidBits of iommu0',
    ],
  ])('%s', (_what, lines, message) => {
    expect(complaint(`${MINIMAL}${lines}\n`)).toContain(message)
  })

  it.each([
    ['a device that is not there', 'streams: [{ device: dma1 }]', '(dma0); did you mean "dma0"?'],
    [
      'a PASID that is too wide',
      'streams: [{ device: dma0, pasid: 8 }]',
      'at most 7, because pasid.bits of dma0 is 3',
    ],
    [
      'a stream twice',
      'streams: [{ device: dma0, pasid: 1 }, { device: dma0, pasid: 1 }]',
      'that no other stream has',
    ],
    [
      'an event at no device',
      'events: [{ at: 1us, do: detach, device: x }]',
      'workload.events.0.device: got "x"',
    ],
  ])('%s', (_what, line, message) => {
    const text = `name: x\nmachine: ${DEVICES}\nworkload:\n  source: { zeros: 1 }\n  ${line}\n`
    expect(complaint(text)).toContain(message)
  })

  it('SVA lets the kernel choose the PASID, on a device that has PASIDs', () => {
    const text = `${MINIMAL}process: { handler: { mode: sva } }\n`
    expect(load(text).process.handler.mode).toBe('sva')
    expect(complaint(text, 'workload.streams.0={ device: dma0, pasid: 1 }')).toContain(
      'workload.streams.0.pasid: got 1, expected none, because the kernel chooses the PASID',
    )
    expect(complaint(text, 'machine.devices.0.pasid.bits=0')).toContain('expected a device with pasid.bits')
  })
})

describe('--set', () => {
  it('changes what the document says and what it leaves to defaults', () => {
    const scenario = load(
      `${MINIMAL}seed: 3\n`,
      'seed=0x10',
      'machine.devices.0.pri.capacity=8',
      'machine.iommus.0.model=simple',
      'latencies.wakeUp=7us',
      'policy.privateData=true',
      'workload.source={ pattern: 4KiB }',
    )
    expect(scenario.seed).toBe(16)
    expect(scenario.machine.devices[0]?.pri).toEqual({ capacity: 8, allocation: 8 })
    expect(scenario.latencies.wakeUp).toBe(7_000)
    expect(scenario.policy.privateData).toBe(true)
    expect(scenario.workload.source).toEqual({ kind: 'pattern', lengthBytes: 4_096 })
  })

  it('changes the IOMMU by one word, and names the capability that a unit does not have', () => {
    const model = 'machine.iommus.0.model=vtd'
    expect(load(MINIMAL, model).machine.iommus[0]?.model).toBe('vtd')
    const error = failure(MINIMAL, model, 'machine.iommus.0.pageRequestQueueEntries=32768')
    expect(error.exitCode).toBe(EXIT_INPUT)
    expect(error.message).toContain('expected at most 16384, the largest PQA.PQS of a VT-d unit')
    expect(load(MINIMAL, 'machine.iommus.0.pageRequestQueueEntries=32768').machine.iommus).toHaveLength(1)
    const smmu = 'machine.iommus.0.model=smmuv3'
    for (const [setting, expected] of [
      ['machine.iommus.0.format=x86-64-5level', 'tables of an SMMUv3 have 4 levels'],
      ['machine.devices.0.privateData=true', 'stalled transactions of an SMMUv3 carry no private data'],
    ] as const) {
      expect(failure(MINIMAL, smmu, setting).message).toContain(expected)
      expect(load(MINIMAL, setting).machine.iommus).toHaveLength(1)
    }
  })

  it('finds files from the current directory', () => {
    const { source } = load(MINIMAL, 'workload.source=in.bin').workload
    expect(source).toEqual({ kind: 'file', path: join(process.cwd(), 'in.bin') })
  })

  it.each(['/a/b: c', '@x', 'a,b', '%41', '/a#b', '/tmp/x=y', '`x`'])(
    'needs no quotes for the path %s',
    (path) => {
      const { source } = load(MINIMAL, `workload.source=${path}`).workload
      expect(source).toEqual({ kind: 'file', path: join(path.startsWith('/') ? '' : process.cwd(), path) })
    },
  )

  it('changes one place only, also where the document shares a part', () => {
    const text = `${MINIMAL}machine: { devices: [&d { name: a }, { <<: *d, name: b }] }\n`
    const { devices } = load(text, 'machine.devices.0.groupPages=2').machine
    expect(devices.map((device) => device.groupPages)).toEqual([2, 1])
  })

  it.each(['seed', '=1', 'a..b=1', '.a=1', 'a b=1', 'a.=1'])('refuses %j as wrong usage', (setting) => {
    const error = failure(MINIMAL, setting)
    expect(error.exitCode).toBe(EXIT_USAGE)
    expect(error.message).toContain('expected PATH=VALUE')
  })

  it.each([
    ['sed=1', '--set sed=1: sed: got unknown key "sed"', 'did you mean "seed"?'],
    ['machine.memry=1', 'machine.memry: got unknown key "memry", expected one of memory, iommus, devices'],
    ['mchine.memory=1', '--set mchine.memory=1: mchine: got unknown key', 'did you mean "machine"?'],
    ['seed=x', '--set seed=x: seed: got "x", expected a number'],
    ['seed=', '--set seed=: seed: got "", expected a number'],
    [
      'machine.iommus.0.model=vtdd',
      'machine.iommus.0.model: got "vtdd", expected one of simple, vtd, smmuv3; did you mean "vtd"?',
    ],
    ['machine.devices.1.name=b', 'machine.devices is not written in the document; expected index 0'],
    ['workload.streams.5.device=b', 'workload.streams has 1 entry; expected index 0'],
    ['name.x=1', '--set name.x=1: name.x: got name, but name is "x" and has no parts'],
    ['__proto__.x=1', 'got unknown key "__proto__"'],
    ['machine.devices.0.__proto__={ ats: false }', 'got unknown key "__proto__"'],
    ['workload.source={ zeros: 1', 'not valid YAML'],
  ])('names what is wrong with %s', (setting, ...messages) => {
    const text = 'name: x\nworkload: { source: { zeros: 1MiB }, streams: [{ device: dma0 }] }\n'
    const error = failure(text, setting)
    expect(error.exitCode).toBe(EXIT_INPUT)
    for (const message of messages) expect(error.message).toContain(message)
  })
})

describe('problems that show up later', () => {
  it('are placed in the document, or at the --set that gave the value', () => {
    const path = join(folder, 'later.yaml')
    writeFileSync(path, 'name: x\nworkload:\n  source: in.bin\n')
    const complain = complaintAt(loadScenario(path, []), ['workload', 'source'])
    expect(complain('a', 'b').message).toBe(`${path}:3:11: workload.source: got a, expected b`)
    const fromSet = complaintAt(loadScenario(path, ['workload.source=y']), ['workload', 'source'])
    expect(fromSet('a', 'b').message).toBe('--set workload.source=y: workload.source: got a, expected b')
  })
})
