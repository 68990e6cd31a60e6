// SPDX-License-Identifier: MIT
/** What a case file may say. A case holds no expectation: the kernel's answers stand beside it. */
import { z } from 'zod'
import { CAPABILITIES, COUNTERS, LIMITS, PATHS } from '../program/program.ts'

const name = z.string().regex(/^[a-z]\w*$/i, 'a name: a letter, then letters, digits, _')
/** An integer, `$earlier.field + 4`, or names joined by `|`. */
const value = z.union([z.bigint(), z.string().min(1)])
const hex = z.string().regex(/^(?:[0-9a-f]{2}|[ _])*$/i, 'bytes in hexadecimal')

/** Bytes in memory: of a structure, of several (a list), or plain. */
const data = z.union([
  z.strictObject({ bytes: hex, at: value.optional() }),
  z.strictObject({ zero: z.bigint(), at: value.optional() }),
  z.strictObject({ fill: z.tuple([z.bigint(), z.bigint()]), at: value.optional() }),
  z.strictObject({ u32: z.array(value), at: value.optional() }),
  z.strictObject({ u64: z.array(value), at: value.optional() }),
  z.strictObject({
    struct: z.string(),
    list: z.array(z.record(z.string(), value)),
    tail: hex.optional(),
    at: value.optional(),
  }),
])

const fields = z.record(z.string(), z.union([value, z.array(value), data]))

const common = { as: name.optional(), in: name.optional() }
/** The n-th failure point of the kernel's that the call comes by, or every allocation; `point`: ours. */
const fails = z.strictObject({
  allocation: z.union([z.bigint(), z.literal('all')]),
  point: z.string().optional(),
})

const call = {
  ...common,
  /** The descriptor; default: the last that this process opened. */
  on: value.optional(),
  fields: fields.optional(),
  /** The structure itself, instead of fields. */
  bytes: hex.optional(),
  /** Bytes after the structure. */
  tail: hex.optional(),
  /** Another number than the name's. */
  number: z.bigint().optional(),
  /** Where the structure lies. */
  at: value.optional(),
  /** A value in the place of the pointer: there is no structure. */
  argument: value.optional(),
  fails: fails.optional(),
}

const transfer = {
  ...common,
  /** Default: the size of the records, or of the bytes. */
  count: value.optional(),
  /** Where the buffer lies. */
  at: value.optional(),
  fails: fails.optional(),
}

const source = {
  /** The structure of the records. Default: iommu_hwpt_page_response. */
  struct: z.string().optional(),
  records: z.array(z.record(z.string(), value)).optional(),
  bytes: hex.optional(),
}

/** One operation of each kind; `kind` is the key that says it. */
export const OPERATION_SPEC = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('open'), ...common, open: z.enum(PATHS), flags: value.optional() }),
  z.strictObject({ kind: z.literal('ioctl'), ...call, ioctl: z.union([z.string(), z.bigint()]) }),
  z.strictObject({ kind: z.literal('test'), ...call, test: z.string() }),
  z.strictObject({
    kind: z.literal('read'),
    ...transfer,
    read: value,
    count: value,
    struct: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('write'), ...transfer, write: value, ...source }),
  z.strictObject({
    kind: z.literal('pread'),
    ...transfer,
    pread: value,
    count: value,
    offset: value,
    struct: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('pwrite'), ...transfer, pwrite: value, offset: value, ...source }),
  z.strictObject({
    kind: z.literal('lseek'),
    ...common,
    lseek: value,
    offset: value.optional(),
    whence: value.optional(),
  }),
  z.strictObject({ kind: z.literal('poll'), ...common, poll: value, events: value.optional() }),
  z.strictObject({ kind: z.literal('close'), ...common, close: value }),
  z.strictObject({ kind: z.literal('dup'), ...common, dup: value }),
  z.strictObject({ kind: z.literal('dup2'), ...common, dup2: value, to: value, flags: value.optional() }),
  z.strictObject({
    kind: z.literal('fcntl'),
    ...common,
    fcntl: value,
    command: value,
    argument: value.optional(),
  }),
  /** A child of the process, under a name of its own. */
  z.strictObject({ kind: z.literal('fork'), ...common, fork: name }),
  z.strictObject({ kind: z.literal('exit'), ...common, exit: value }),
  z.strictObject({
    kind: z.literal('mmap'),
    ...common,
    mmap: value,
    length: value,
    prot: value.optional(),
    flags: value.optional(),
    fd: value.optional(),
    offset: value.optional(),
  }),
  z.strictObject({ kind: z.literal('munmap'), ...common, munmap: value, length: value }),
  z.strictObject({ kind: z.literal('mprotect'), ...common, mprotect: value, length: value, prot: value }),
  z.strictObject({ kind: z.literal('madvise'), ...common, madvise: value, length: value, advice: value }),
  z.strictObject({ kind: z.literal('memfd'), ...common, memfd: value }),
  z.strictObject({ kind: z.literal('ftruncate'), ...common, ftruncate: value, length: value }),
  z.strictObject({ kind: z.literal('poke'), ...common, poke: value, data }),
  z.strictObject({
    kind: z.literal('peek'),
    ...common,
    peek: value,
    length: value,
    struct: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('limit'), ...common, limit: z.enum(LIMITS), to: value }),
  z.strictObject({ kind: z.literal('drop'), ...common, drop: z.enum(CAPABILITIES) }),
  /** A descriptor travels to another process. */
  z.strictObject({ kind: z.literal('send'), ...common, send: value, to: name }),
  z.strictObject({ kind: z.literal('counter'), ...common, counter: z.enum(COUNTERS) }),
])

export type OperationSpec = z.infer<typeof OPERATION_SPEC>
export type OperationKind = OperationSpec['kind']
export type SpecOf<K extends OperationKind> = Extract<OperationSpec, { readonly kind: K }>
export type Value = z.infer<typeof value>
export type Data = z.infer<typeof data>
export type FieldValue = z.infer<typeof fields>[string]

/** Every kind of operation. */
export const KINDS: readonly OperationKind[] = OPERATION_SPEC.options.map(({ shape }) => shape.kind.value)

export const CASE_HEAD = z.strictObject({
  title: z.string().min(1),
  /** Rows of the specification that it touches, for instance `02 §6.3`. */
  spec: z.array(z.string()),
  /** `ext`: it needs the extended kernel's operations. */
  kernel: z.enum(['plain', 'ext']).optional(),
  machine: z
    .strictObject({
      /** Pages of 2 MiB that the machine must have. */
      hugePages: z.bigint().optional(),
      /** Capabilities that the first process does not have. */
      without: z.array(z.enum(CAPABILITIES)).optional(),
      memlock: z.bigint().optional(),
      nofile: z.bigint().optional(),
    })
    .optional(),
  /** Where the kernel contradicts itself or is plainly wrong: what it does, and what we do. */
  note: z.string().optional(),
  operations: z.array(z.unknown()).min(1),
})

export type CaseHead = z.infer<typeof CASE_HEAD>
