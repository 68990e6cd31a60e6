// SPDX-License-Identifier: MIT
/** Structures and ioctls by name: the ABI's own table, VFIO's compatibility set, the extended kernel's operations. */
import abi from '../../src/iommufd/abi/abi.json' with { type: 'json' }

export interface Field {
  readonly name: string
  readonly offset: number
  /** Of one element. */
  readonly bytes: number
  readonly elements: number
}

export interface Layout {
  readonly name: string
  readonly bytes: number
  readonly fields: readonly Field[]
}

export interface Command {
  readonly name: string
  readonly number: number
  readonly layout: Layout
  /** What its fields are when a case does not say. */
  readonly defaults: Readonly<Record<string, number>>
}

interface AbiField {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly c: string
}

const aggregate = 'aggregate'

function fieldOf({ name, offset, size, c }: AbiField): Field {
  const elements = Number(/\[(\d+)\]$/.exec(c)?.[1] ?? 1)
  return { name, offset, bytes: size / elements, elements }
}

const abiStructs: Readonly<Record<string, { readonly size: number; readonly fields: readonly AbiField[] }>> =
  abi.structs

/** `fields`: "name:bytes" in order, each aligned to its size. */
function layout(name: string, fields: string): Layout {
  let offset = 0
  const list = fields.split(' ').map((field) => {
    const [fieldName = '', width = '4', elements = '1'] = field.split(':')
    const bytes = Number(width)
    offset = Math.ceil(offset / bytes) * bytes
    const made = { name: fieldName, offset, bytes, elements: Number(elements) }
    offset += bytes * made.elements
    return made
  })
  return { name, bytes: offset, fields: list }
}

const ownLayouts: readonly Layout[] = [
  layout('vfio_iommu_type1_info', 'argsz flags iova_pgsizes:8 cap_offset pad'),
  layout('vfio_iommu_type1_dma_map', 'argsz flags vaddr:8 iova:8 size:8'),
  layout('vfio_iommu_type1_dma_unmap', 'argsz flags iova:8 size:8'),
  layout('vfio_capability', 'id:2 version:2 next'),
  layout('x_response', 'mock_id evt_flags evt_pasid evt_grpid evt_addr:8 pasid grpid code seq'),
  layout('vevent', 'flags sequence virt_id'),
  layout('none', 'nothing:1'),
]

/** Every structure by name. */
export const LAYOUTS: ReadonlyMap<string, Layout> = new Map([
  ...Object.entries(abiStructs).map(([name, struct]): [string, Layout] => [
    name,
    { name, bytes: struct.size, fields: struct.fields.filter(({ c }) => c !== aggregate).map(fieldOf) },
  ]),
  ...ownLayouts.map((own): [string, Layout] => [own.name, own]),
])

export function layoutNamed(name: string): Layout {
  const found = LAYOUTS.get(name)
  if (found === undefined) throw new Error(`no structure ${name}`)
  return found
}

export const TEST_COMMAND = 0x3ba0

/** Test operations: number and the member of the union that holds its fields. */
const TEST_OPERATIONS: Readonly<Record<string, readonly [operation: number, member: string]>> = {
  ADD_RESERVED: [1, 'add_reserved'],
  MOCK_DOMAIN: [2, 'mock_domain'],
  MD_CHECK_MAP: [3, 'check_map'],
  MD_CHECK_REFS: [4, 'check_refs'],
  CREATE_ACCESS: [5, 'create_access'],
  DESTROY_ACCESS_PAGES: [6, 'destroy_access_pages'],
  ACCESS_PAGES: [7, 'access_pages'],
  ACCESS_RW: [8, 'access_rw'],
  SET_TEMP_MEMORY_LIMIT: [9, 'memory_limit'],
  MOCK_DOMAIN_REPLACE: [10, 'mock_domain_replace'],
  ACCESS_REPLACE_IOAS: [11, 'access_replace_ioas'],
  MOCK_DOMAIN_FLAGS: [12, 'mock_domain_flags'],
  DIRTY: [13, 'dirty'],
  MD_CHECK_IOTLB: [14, 'check_iotlb'],
  TRIGGER_IOPF: [15, 'trigger_iopf'],
  DEV_CHECK_CACHE: [16, 'check_dev_cache'],
  TRIGGER_VEVENT: [17, 'trigger_vevent'],
  PASID_ATTACH: [18, 'pasid_attach'],
  PASID_REPLACE: [19, 'pasid_replace'],
  PASID_DETACH: [20, 'pasid_detach'],
  PASID_CHECK_HWPT: [21, 'pasid_check'],
  DMABUF_GET: [22, 'dmabuf_get'],
  DMABUF_REVOKE: [23, 'dmabuf_revoke'],
}

/** What only the extended kernel has: the fields of its union from offset 16. */
const EXTENDED_OPERATIONS: Readonly<Record<string, readonly [operation: number, fields: string]>> = {
  X_FAULT: [0x1000, 'dev_id type flags pasid grpid perm addr:8 out_rc'],
  X_RESP_LOG: [0x1001, 'uptr:8 max out_n out_lost'],
  X_QUEUE: [0x1002, 'sub dev_id out_rc out_partial out_faults out_users'],
}

const testLayout = layoutNamed('iommu_test_cmd')
const testHead = testLayout.fields.filter(({ offset }) => offset < 16)
const testLast = testLayout.fields.filter(({ name }) => name === 'last')

/** Fields of a union member lose its prefix, unless the head of the structure has that name too. */
function memberFields(member: string): Field[] {
  return testLayout.fields
    .filter(({ name }) => name.startsWith(`${member}.`))
    .map((field) => {
      const short = field.name.slice(member.length + 1)
      return testHead.some(({ name }) => name === short) ? field : { ...field, name: short }
    })
}

function testCommand(name: string, operation: number, fields: readonly Field[]): Command {
  const layout = { name, bytes: testLayout.bytes, fields: [...testHead, ...fields, ...testLast] }
  return { name, number: TEST_COMMAND, layout, defaults: { size: testLayout.bytes, op: operation } }
}

function extendedFields(fields: string): Field[] {
  return layout('', fields).fields.map((field) => ({ ...field, offset: field.offset + 16 }))
}

/** Test operations by name. */
export const TESTS: ReadonlyMap<string, Command> = new Map([
  ...Object.entries(TEST_OPERATIONS).map(([name, [operation, member]]): [string, Command] => [
    name,
    testCommand(name, operation, memberFields(member)),
  ]),
  ...Object.entries(EXTENDED_OPERATIONS).map(([name, [operation, fields]]): [string, Command] => [
    name,
    testCommand(name, operation, extendedFields(fields)),
  ]),
])

export function isExtended(test: string): boolean {
  return test in EXTENDED_OPERATIONS
}

const VFIO: readonly (readonly [name: string, number: number, layout: string])[] = [
  ['VFIO_GET_API_VERSION', 0x3b64, 'none'],
  ['VFIO_CHECK_EXTENSION', 0x3b65, 'none'],
  ['VFIO_SET_IOMMU', 0x3b66, 'none'],
  ['VFIO_IOMMU_GET_INFO', 0x3b70, 'vfio_iommu_type1_info'],
  ['VFIO_IOMMU_MAP_DMA', 0x3b71, 'vfio_iommu_type1_dma_map'],
  ['VFIO_IOMMU_UNMAP_DMA', 0x3b72, 'vfio_iommu_type1_dma_unmap'],
]

const minSize: Readonly<Record<string, readonly (string | number)[]>> = abi.min_size

function abiCommand(name: string, number: number): Command {
  const layout = layoutNamed(String(minSize[name]?.[0]))
  return { name, number, layout, defaults: { size: layout.bytes } }
}

/** ioctls by name. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ...Object.entries(abi.ioctls).map(([name, number]): [string, Command] => [name, abiCommand(name, number)]),
  ...VFIO.map(([name, number, struct]): [string, Command] => {
    const layout = layoutNamed(struct)
    return [name, { name, number, layout, defaults: struct === 'none' ? {} : { argsz: layout.bytes } }]
  }),
])

/** The smallest size that the kernel takes. */
export function minSizeOf(command: string): number {
  return Number(minSize[command]?.[1] ?? 0)
}
