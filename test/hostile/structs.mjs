// SPDX-License-Identifier: MIT
/** Hostile structs for every ioctl: the right size with doubtful fields, wrong sizes, plain noise. */
import { readFileSync } from 'node:fs'
import { MEMORY, fieldOf, fill } from './values.mjs'

const table = JSON.parse(readFileSync(new URL('../../src/iommufd/abi/abi.json', import.meta.url), 'utf8'))

const VFIO_STRUCT = ['argsz', 'flags'].map((name, index) => fieldOf({ name, offset: index * 4, size: 4 }))
const VFIO_LONGS = ['user_va', 'iova', 'length'].map((name, index) =>
  fieldOf({ name, offset: 8 + index * 8, size: 8 }),
)
/** Numbers of a VFIO container, with the offsets of their 64-bit fields. */
const VFIO = [
  { number: 0x3b64, size: 0, fields: [] },
  { number: 0x3b65, size: 0, fields: [] },
  { number: 0x3b66, size: 0, fields: [] },
  { number: 0x3b70, size: 24, fields: VFIO_STRUCT },
  { number: 0x3b71, size: 32, fields: [...VFIO_STRUCT, ...VFIO_LONGS] },
  {
    number: 0x3b72,
    size: 24,
    fields: [...VFIO_STRUCT, ...VFIO_LONGS.slice(1).map((field) => ({ ...field, offset: field.offset - 8 }))],
  },
]

/** Members of the test command's union, in the order of the operations that read them. */
const OPERATIONS =
  'add_reserved mock_domain check_map check_refs create_access destroy_access_pages access_pages access_rw memory_limit mock_domain_replace access_replace_ioas '
    .concat(
      'mock_domain_flags dirty check_iotlb trigger_iopf check_dev_cache trigger_vevent pasid_attach pasid_replace pasid_detach pasid_check dmabuf_get dmabuf_revoke',
    )
    .split(' ')

/** Number, size and fields of each command; the test command once for each member of its union. */
const COMMANDS = Object.entries(table.min_size).flatMap(([name, [struct]]) => {
  const { size, fields } = table.structs[struct]
  const number = table.ioctls[name]
  const plain = fields.filter((field) => field.c !== 'aggregate' && !field.name.includes('.')).map(fieldOf)
  const members = fields.filter((field) => field.c === 'aggregate').map((field) => field.name)
  if (members.length === 0) return [{ number, size, fields: plain }]
  return members.map((member) => ({
    number,
    size,
    operation: 1 + OPERATIONS.indexOf(member),
    fields: [...plain, ...fields.filter((field) => field.name.startsWith(`${member}.`)).map(fieldOf)],
  }))
})

const ORDINARY = COMMANDS.filter(({ number }) => number !== table.ioctls.IOMMU_TEST_CMD)
const DESTROY = ORDINARY.find(({ number }) => number === table.ioctls.IOMMU_DESTROY)
const TEST = COMMANDS.filter(({ number }) => number === table.ioctls.IOMMU_TEST_CMD)

function chosenCommand(random) {
  const choice = random.below(100)
  if (choice < 50) return sparing(random.of(ORDINARY), random)
  return choice < 92 ? random.of(TEST) : random.of(VFIO)
}

/** Now and then one of the extended test operations, whose fields are as if they were another's. */
function operationOf({ operation }, random) {
  return random.chance(0.05) ? 0x1000 + random.below(4) : operation
}

/** Half of the destructions are something else, so that more lives. */
function sparing(command, random) {
  return command === DESTROY && random.chance(0.5) ? random.of(ORDINARY) : command
}

function numberOf(command, random) {
  if (random.chance(0.97)) return command.number
  return random.chance(0.5) ? 0x3b00 | random.below(256) : random.word()
}

function sizeOf(command, random) {
  if (random.chance(0.92)) return command.size
  if (random.chance(0.6)) return random.below(100)
  return random.chance(0.5) ? random.word() : random.below(9000)
}

export const STRUCT_BYTES_MAX = 96

/**
 * What a life begins with, so that there is something to hit: an IOAS with a mapping, a mock device with PASIDs, page
 * tables for nesting, with dirty tracking and with a fault queue, a device on the last, a vIOMMU with a vdevice and an
 * event queue. Numbers, sizes, and values by offset.
 */
export const PRELUDE = [
  [0x3b81, 12, {}],
  [0x3b85, 40, { 4: 7, 8: 1, 16: MEMORY + 0x10000n, 24: 0x10000n, 32: 0x1000000n }],
  [0x3ba0, 72, { 4: 12, 8: 1, 28: 4 }],
  [0x3b89, 48, { 4: 9, 8: 3, 12: 1 }],
  [0x3b89, 48, { 4: 10, 8: 3, 12: 1 }],
  [0x3b8e, 16, {}],
  [0x3b89, 48, { 4: 12, 8: 3, 12: 1, 40: 7 }],
  [0x3ba0, 72, { 4: 12, 8: 8, 28: 4 }],
  [0x3b90, 40, { 8: 0xdeadbeef, 12: 3, 16: 5 }],
  [0x3b91, 24, { 4: 11, 8: 3, 16: 7n }],
  [0x3b93, 32, { 8: 11, 12: 0xbeefbeef, 16: 4 }],
]

/** Fills `bytes` with a struct of the prelude. */
export function plainStruct(bytes, view, size, values) {
  bytes.fill(0)
  view.setUint32(0, size, true)
  for (const [offset, value] of Object.entries(values)) {
    if (typeof value === 'bigint') view.setBigUint64(Number(offset), value, true)
    else view.setUint32(Number(offset), value, true)
  }
}

/** Fills `bytes` with a struct; returns its ioctl's number. */
export function hostileStruct(bytes, view, random) {
  const command = chosenCommand(random)
  if (random.chance(0.05)) for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
  else bytes.fill(0)
  for (const field of command.fields) fill(view, field, random)
  if (command.operation !== undefined && random.chance(0.97))
    view.setUint32(4, operationOf(command, random), true)
  view.setUint32(0, sizeOf(command, random), true)
  if (random.chance(0.02)) bytes[random.below(bytes.length)] ^= 1 << random.below(8)
  return numberOf(command, random)
}
