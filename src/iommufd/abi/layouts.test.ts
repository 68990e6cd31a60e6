// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as abi from './index.ts'

interface TableField {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly c: string
}

interface Table {
  readonly structs: Readonly<
    Record<string, { readonly size: number; readonly fields: readonly TableField[] }>
  >
}

const table: Table = JSON.parse(readFileSync(new URL('abi.json', import.meta.url), 'utf8'))
const repository = new URL('../../../', import.meta.url).pathname

test('layouts.gen.ts is what the generator writes', () => {
  execFileSync('node', ['scripts/generate-abi.mjs', '--check'], { cwd: repository })
})

/** C for one struct. Members of a union, named `union.member`, are left to their union's own struct. */
function declaration(name: string, fields: readonly TableField[]): string {
  const lines: string[] = []
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    const twin = fields[i + 1]
    if (field.c === 'aggregate' || field.name.includes('.')) continue
    if (twin !== undefined && twin.offset === field.offset && twin.c !== 'aggregate') {
      lines.push(`union { ${field.c}; ${twin.c}; };`)
      i++
    } else lines.push(`${field.c};`)
  }
  return `struct ${name} { ${lines.join(' ')} };`
}

const PRELUDE = `#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
typedef uint8_t __u8; typedef uint16_t __u16; typedef uint32_t __u32; typedef int32_t __s32; typedef uint64_t __u64;
typedef uint64_t __aligned_u64 __attribute__((aligned(8))); typedef __aligned_u64 __aligned_le64;
`

const hasCompiler = ((): boolean => {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

test.skipIf(!hasCompiler)('offsets are those of a C compiler (skipped where there is no cc)', () => {
  const structs = Object.entries(table.structs).filter(([name]) => name !== 'iommu_test_cmd')
  const prints = structs.flatMap(([name, { fields }]) => [
    `printf("${name} %zu\\n", sizeof(struct ${name}));`,
    ...fields.map(
      (field) => `printf("${name}.${field.name} %zu\\n", offsetof(struct ${name}, ${field.name}));`,
    ),
  ])
  const source = `${PRELUDE}${structs.map(([name, { fields }]) => declaration(name, fields)).join('\n')}
int main(void) { ${prints.join('\n')} return 0; }`
  const expected = structs.flatMap(([name, { size, fields }]) => [
    `${name} ${size}`,
    ...fields.map((field) => `${name}.${field.name} ${field.offset}`),
  ])
  const folder = mkdtempSync(join(tmpdir(), 'iopf-abi-'))
  try {
    writeFileSync(join(folder, 'offsets.c'), source)
    execFileSync('cc', ['-o', join(folder, 'offsets'), join(folder, 'offsets.c')])
    const printed = execFileSync(join(folder, 'offsets'), { encoding: 'utf8' }).trim().split('\n')
    expect(printed).toEqual(expected)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

interface Encodable {
  encode(view: DataView, offset: number): void
}

interface Struct {
  new (): Encodable
  readonly name: string
  readonly SIZE: number
  decode(view: DataView, offset: number, into: Encodable): Encodable
}

function isStruct(value: unknown): value is Struct {
  return typeof value === 'function' && 'SIZE' in value
}

/** Members of the test command's union leave holes. */
const STRUCTS = Object.values<unknown>({ ...abi })
  .filter(isStruct)
  .filter(({ name }) => !name.startsWith('TestCmd'))

describe('a generated struct', () => {
  test('has the bytes of the record in spec/03 §3.1', () => {
    const fault = new abi.HwptPgfault()
    Object.assign(fault, { flags: 1, dev_id: 2, pasid: 3, grpid: 4, perm: 5, length: 8, cookie: 9 })
    abi.setU64(fault, 'addr', 0x1122334455667788n)
    const view = new DataView(new ArrayBuffer(abi.HwptPgfault.SIZE + 4))
    fault.encode(view, 4)
    const words = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36].map((offset) => view.getUint32(4 + offset, true))
    expect(words).toEqual([1, 2, 3, 4, 5, 0, 0x55667788, 0x11223344, 8, 9])
    expect(abi.HwptPgfault.decode(view, 4, new abi.HwptPgfault())).toEqual(fault)
  })

  test.each(STRUCTS)('$name gives back every byte that it read', (struct) => {
    const bytes = Uint8Array.from({ length: struct.SIZE }, (_, index) => (index * 37 + 11) & 255)
    const copy = new Uint8Array(struct.SIZE)
    struct.decode(new DataView(bytes.buffer), 0, new struct()).encode(new DataView(copy.buffer), 0)
    expect(copy).toEqual(bytes)
  })

  test('keeps 64-bit fields exact through the bigint edge', () => {
    const map = new abi.IoasMap()
    for (const value of [0n, 1n, 0xffff_ffffn, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      abi.setU64(map, 'iova', value)
      expect(abi.getU64(map, 'iova')).toBe(value)
    }
  })
})

test('ioctl numbers are 0x3b00 and the row’s number (spec/03 §1)', () => {
  expect([abi.IOMMU_DESTROY, abi.IOMMU_IOAS_MAP, abi.IOMMU_FAULT_QUEUE_ALLOC, abi.IOMMU_TEST_CMD]).toEqual([
    0x3b80, 0x3b85, 0x3b8e, 0x3ba0,
  ])
})

test('answers and records pass as bytes', () => {
  expect([...abi.encodeResponses([{ cookie: 258, code: 1 }])]).toEqual([2, 1, 0, 0, 1, 0, 0, 0])
  const bytes = new Uint8Array(90)
  bytes[36] = 7
  bytes[76] = 8
  expect(abi.decodeFaults(bytes).map((record) => record.cookie)).toEqual([7, 8])
  expect(abi.decodeFaults(bytes, 40)).toHaveLength(1)
})
