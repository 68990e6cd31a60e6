// SPDX-License-Identifier: MIT
/** The scenario document as zod schema. Loads zod: import it lazily. Errors are turned into text by `problems.ts`. */
import { z } from 'zod'
import { checkReferences } from './references.ts'
import { MISBEHAVIOURS, type Scenario, type SourceSpec, UNIT_MODELS } from '../../scenario/document.ts'
import { DEFAULT_DEVICE, DEFAULT_HANDLER, DEFAULT_IOMMU } from '../../scenario/defaults.ts'
import { LATENCY_DEFAULTS } from '../../scenario/latencies.ts'
import { DURATION, parseQuantity, quantityPattern, SIZE, type UnitTable } from './quantity.ts'

function quantity(table: UnitTable, what: string, minimum = 0): z.ZodType<number> {
  return z
    .unknown()
    .meta({
      description: `${what} (${table.what}: ${[...table.units.keys()].join(', ')}; a plain number is ${table.plain})`,
      anyOf: [
        { type: 'number', minimum: 0 },
        { type: 'string', pattern: quantityPattern(table) },
      ],
    })
    .transform((value, context) => {
      const parsed = parseQuantity(table, value)
      const why = parsed.ok && parsed.value < minimum ? `${table.what} of at least ${minimum}` : undefined
      if (parsed.ok && why === undefined) return parsed.value
      context.addIssue({ code: 'custom', params: { expected: parsed.ok ? why : parsed.why } })
      return z.NEVER
    })
}

const duration = (what: string): z.ZodType<number> => quantity(DURATION, what)
const size = (what: string, minimum = 0): z.ZodType<number> => quantity(SIZE, what, minimum)
const integer = (minimum: number, maximum: number, what: string): z.ZodInt =>
  z.int().min(minimum).max(maximum).describe(what)
const name = (what: string): z.ZodString =>
  z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/)
    .describe(what)
const orNone = <T extends z.ZodType>(type: T): z.ZodUnion<[z.ZodLiteral<'none'>, T]> =>
  z.union([z.literal('none'), type])

const RANDOM = z.strictObject({
  latencySpread: z.number().min(0).max(1).default(0.5).describe('each latency is base x (1 +- spread)'),
  failureChance: z.number().min(0).max(1).default(0).describe('chance of each failpoint to fail'),
})

const IOMMU = z.strictObject({
  name: name('how devices name it').default(DEFAULT_IOMMU.name),
  model: z.enum(UNIT_MODELS).default(DEFAULT_IOMMU.model).describe('which IOMMU'),
  pageRequestQueueEntries: integer(2, 65_536, 'records in the page request ring, a power of two').default(
    DEFAULT_IOMMU.pageRequestQueueEntries,
  ),
  pasidBits: integer(0, 20, 'width of PASIDs the unit knows').default(DEFAULT_IOMMU.pasidBits),
  format: z
    .enum(['x86-64-4level', 'x86-64-5level'])
    .default(DEFAULT_IOMMU.format)
    .describe('page table format'),
})

const PRI = z.strictObject({
  capacity: integer(1, 65_536, 'Outstanding Page Request Capacity').default(DEFAULT_DEVICE.pri.capacity),
  allocation: integer(1, 65_536, 'Outstanding Page Request Allocation; the capacity by default').optional(),
})

const PASID = z.strictObject({
  bits: integer(0, 20, '0: no PASID capability').default(DEFAULT_DEVICE.pasid.bits),
})

const DEVICE = z.strictObject({
  name: name('how streams and events name it').default(DEFAULT_DEVICE.name),
  kind: z.enum(['dma-engine']).default(DEFAULT_DEVICE.kind).describe('which endpoint'),
  iommu: z.string().default(DEFAULT_IOMMU.name).describe('name of an entry of machine.iommus'),
  ats: z.boolean().default(DEFAULT_DEVICE.ats).describe('has an ATS capability and a translation cache'),
  pri: PRI.prefault({}).describe('Page Request Interface'),
  pasid: PASID.prefault({}).describe('PASID capability'),
  groupPages: integer(1, 512, 'pages in a page request group').default(DEFAULT_DEVICE.groupPages),
  transfersInFlight: integer(1, 1024, 'transfers at a time').default(DEFAULT_DEVICE.transfersInFlight),
  privateData: z
    .boolean()
    .default(DEFAULT_DEVICE.privateData)
    .describe('adds private data to its page requests'),
})

const MACHINE = z.strictObject({
  memory: size('physical memory, 1 MiB to 4 GiB', 2 ** 20).prefault('64MiB'),
  iommus: z.array(IOMMU).min(1).max(16).prefault([{}]),
  devices: z.array(DEVICE).min(1).max(64).prefault([{}]),
})

/** One key a hop, so that `latencies.wakeUp` completes and explains itself in an editor. */
const LATENCIES = z.strictObject({
  ats: hop('ats'),
  pageRequest: hop('pageRequest'),
  interrupt: hop('interrupt'),
  workQueue: hop('workQueue'),
  wakeUp: hop('wakeUp'),
  systemCall: hop('systemCall'),
  handler: hop('handler'),
  pageIn: hop('pageIn'),
  pageOut: hop('pageOut'),
  map: hop('map'),
  unmap: hop('unmap'),
  invalidation: hop('invalidation'),
  response: hop('response'),
  dma: hop('dma'),
})

function hop(key: keyof typeof LATENCY_DEFAULTS): z.ZodPrefault<z.ZodType<number>> {
  const { nanos, what, source } = LATENCY_DEFAULTS[key]
  return duration(`${what}; default: ${source}`).prefault(nanos)
}

const POLICY = z.strictObject({
  quotaPerDevice: orNone(integer(1, 65_536, 'groups a device may have unanswered')).default('none'),
  responseTimeout: orNone(duration('after this a delivered group is answered with timeoutCode')).default(
    'none',
  ),
  timeoutCode: z.enum(['failure', 'invalid']).default('failure').describe('what a timeout answers'),
  unifiedHandler: z.boolean().default(false).describe('one handler for recoverable and unrecoverable faults'),
  privateData: z.boolean().default(false).describe('private data comes back with the response'),
})

const MISBEHAVIOUR = z.strictObject({
  kind: z.enum(MISBEHAVIOURS).default('none').describe('what the handler does wrong'),
  after: integer(0, 2 ** 31 - 1, 'groups handled well before it starts').default(0),
  delay: duration('what slow adds to each group').prefault('1ms'),
})

const HANDLER = z.strictObject({
  mode: z.enum(['fault-queue', 'sva']).default(DEFAULT_HANDLER.mode).describe('iommufd fault queue, or SVA'),
  style: z.enum(['sync', 'async']).default(DEFAULT_HANDLER.style).describe('how the handler is written'),
  batch: integer(1, 4096, 'fault records read at once').default(DEFAULT_HANDLER.batch),
  faultAround: integer(0, 4096, 'pages mapped after the faulting one').default(DEFAULT_HANDLER.faultAround),
  inFlight: integer(1, 65_536, 'groups worked on at a time').default(DEFAULT_HANDLER.inFlight),
  residentLimit: orNone(size('most bytes mapped at a time, at least one page', 4096)).default(
    DEFAULT_HANDLER.residentLimit,
  ),
  misbehaviour: MISBEHAVIOUR.prefault({}),
})

const STREAM = z.strictObject({
  device: z.string().describe('name of an entry of machine.devices'),
  pasid: orNone(integer(1, 0xf_ffff, 'PASID of the stream')).default('none'),
})

const EVENT = z.strictObject({
  at: duration('when, in virtual time'),
  do: z.enum(['detach', 'replace', 'remove']).describe('what happens'),
  device: z.string().describe('name of an entry of machine.devices'),
  pasid: orNone(integer(1, 0xf_ffff, 'PASID to detach or replace')).default('none'),
})

const GENERATED = z.strictObject({
  zeros: size('this many zero bytes').optional(),
  pattern: size('this many bytes of a pattern').optional(),
})

const SOURCE = z
  .union([z.string().min(1), GENERATED])
  .describe('the file whose bytes are copied (relative to this document), or generated bytes')
  .transform((source, context): SourceSpec => {
    if (typeof source === 'string') return { kind: 'file', path: source }
    const { zeros, pattern } = source
    if (zeros !== undefined && pattern === undefined) return { kind: 'zeros', lengthBytes: zeros }
    if (pattern !== undefined && zeros === undefined) return { kind: 'pattern', lengthBytes: pattern }
    context.addIssue({ code: 'custom', params: { expected: 'a path, { zeros: SIZE } or { pattern: SIZE }' } })
    return z.NEVER
  })

const WORKLOAD = z.strictObject({
  source: SOURCE,
  destination: z.string().min(1).default('none').describe('file to write; none: an unnamed temporary file'),
  chunk: size('bytes of one transfer', 1).prefault('64KiB'),
  streams: z.array(STREAM).min(1).max(256).optional().describe('the first device without PASID by default'),
  events: z.array(EVENT).max(1024).default([]),
})

const count = (
  what: string,
): z.ZodOptional<z.ZodType<{ min?: number | undefined; max?: number | undefined }>> =>
  z
    .strictObject({
      min: integer(0, Number.MAX_SAFE_INTEGER, 'at least').optional(),
      max: integer(0, Number.MAX_SAFE_INTEGER, 'at most').optional(),
    })
    .describe(what)
    .optional()

const time = (
  what: string,
): z.ZodOptional<z.ZodType<{ min?: number | undefined; max?: number | undefined }>> =>
  z
    .strictObject({ min: duration('at least').optional(), max: duration('at most').optional() })
    .describe(what)
    .optional()

const EXPECT = z.strictObject({
  digests: z.enum(['equal', 'different', 'any']).default('equal').describe('of source and destination'),
  transfers: z
    .enum(['completed', 'failed', 'any'])
    .default('completed')
    .describe('all completed, or some failed'),
  pageRequests: count('page requests that reached an IOMMU'),
  groups: count('complete page request groups'),
  unrecoverable: count('unrecoverable faults'),
  success: count('responses Success'),
  invalid: count('responses Invalid Request'),
  failure: count('responses Response Failure'),
  overflows: count('page requests that found the ring full'),
  evictions: count('pages evicted by the resident limit'),
  timeouts: count('groups answered by the response timeout'),
  quotaRefusals: count('groups refused by the quota'),
  p50: time('median latency of a group'),
  p90: time('90th percentile'),
  p99: time('99th percentile'),
  p999: time('99.9th percentile'),
  virtualTime: time('virtual time of the run'),
})

const DOCUMENT = z
  .strictObject({
    name: name('shown in reports'),
    description: z.string().max(4096).default('').describe('for people'),
    seed: integer(0, 0xffff_ffff, 'seed of everything random; --seed overrides it').default(1),
    decisions: z
      .enum(['default', 'random'])
      .default('default')
      .describe('first come first served, or from the seed'),
    random: RANDOM.prefault({}),
    machine: MACHINE.prefault({}),
    latencies: LATENCIES.prefault({}),
    policy: POLICY.prefault({}),
    process: z.strictObject({ handler: HANDLER.prefault({}) }).prefault({}),
    workload: WORKLOAD,
    expect: EXPECT.prefault({}),
  })
  .meta({ title: 'iopf scenario', description: 'A machine, a process and a workload for `iopf simulate`.' })

/** Strict, with every default filled in; also the source of `schema/scenario.json`. */
export function scenarioSchema(): z.ZodType<Scenario> {
  return DOCUMENT.transform(withDerivedDefaults).superRefine(checkReferences)
}

/** JSON Schema (draft 2020-12) of documents as users write them. */
export function scenarioJsonSchema(): object {
  return z.toJSONSchema(DOCUMENT, { io: 'input' })
}

/** `schema/scenario.json`, to the byte. */
export function scenarioJsonSchemaText(): string {
  return `${JSON.stringify(scenarioJsonSchema(), undefined, 2)}\n`
}

function withDerivedDefaults(document: z.output<typeof DOCUMENT>): Scenario {
  const { machine, workload } = document
  const devices = machine.devices.map((device) => {
    const { capacity, allocation = capacity } = device.pri
    return { ...device, pri: { capacity, allocation } }
  })
  const streams = workload.streams ?? [{ device: devices[0]!.name, pasid: 'none' as const }]
  return { ...document, machine: { ...machine, devices }, workload: { ...workload, streams } }
}
