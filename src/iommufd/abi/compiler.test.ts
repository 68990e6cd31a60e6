// SPDX-License-Identifier: MIT
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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

const OPTIONS: ExecFileSyncOptionsWithStringEncoding = {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
  maxBuffer: 2 ** 26,
}

/** What the compiler makes of a source: `arguments` for the compiler; `undefined` when it refuses. */
function compile(source: string, flags: readonly string[], run: boolean): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'iopf-abi-'))
  try {
    const file = join(folder, 'source.c')
    writeFileSync(file, source)
    if (!run) return execFileSync('cc', [...flags, file], OPTIONS)
    execFileSync('cc', [...flags, '-o', join(folder, 'program'), file], OPTIONS)
    return execFileSync(join(folder, 'program'), OPTIONS)
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const hasCompiler = compile('int x;', ['-E'], false) !== undefined
/** The system's own declarations, after the preprocessor: types, and with `-dM` the macros. */
const HEADERS = '#include <linux/iommufd.h>\n#include <linux/vfio.h>\n'
const header = hasCompiler ? compile(HEADERS, ['-E'], false) : undefined
const macros = hasCompiler ? compile(HEADERS, ['-E', '-dM'], false) : undefined

const PRELUDE = `#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
typedef uint8_t __u8; typedef uint16_t __u16; typedef uint32_t __u32; typedef int32_t __s32; typedef uint64_t __u64;
typedef uint64_t __aligned_u64 __attribute__((aligned(8))); typedef __aligned_u64 __aligned_le64;
`

/** C for a list of fields. Two at one offset are a union; so are all aggregates, with the members that follow them. */
function declareFields(fields: readonly TableField[]): string {
  const lines: string[] = []
  const aggregates = fields.filter(({ c }) => c === 'aggregate')
  const plain = fields.filter(({ c, name }) => c !== 'aggregate' && !name.includes('.'))
  const union = aggregates.map(({ name, offset }) => {
    const members = fields.filter((field) => field.name.startsWith(`${name}.`))
    const own = members.map((field) => ({ ...field, offset: field.offset - offset }))
    return `struct { ${declareFields(own.map((field) => ({ ...field, name: field.name.slice(name.length + 1) })))} } ${name};`
  })
  for (let i = 0; i < plain.length; i++) {
    const field = plain[i]!
    const twin = plain[i + 1]
    if (union.length > 0 && field.offset > aggregates[0]!.offset && !lines.includes(union.join(' ')))
      lines.push(`union { ${union.splice(0).join(' ')} };`)
    if (twin?.offset === field.offset) {
      lines.push(`union { ${field.c}; ${twin.c}; };`)
      i++
    } else lines.push(`${field.c};`)
  }
  return lines.join(' ')
}

const structs = Object.entries(table.structs)

test.skipIf(!hasCompiler)('offsets are those of a C compiler (skipped where there is no cc)', () => {
  const declarations = structs.map(([name, { fields }]) => `struct ${name} { ${declareFields(fields)} };`)
  const prints = structs.flatMap(([name, { fields }]) => [
    `printf("${name} %zu\\n", sizeof(struct ${name}));`,
    ...fields.map(
      (field) => `printf("${name}.${field.name} %zu\\n", offsetof(struct ${name}, ${field.name}));`,
    ),
  ])
  const printed = compile(
    `${PRELUDE}${declarations.join('\n')}\nint main(void) { ${prints.join('\n')} return 0; }`,
    [],
    true,
  )
  const expected = structs.flatMap(([name, { size, fields }]) => [
    `${name} ${size}`,
    ...fields.map((field) => `${name}.${field.name} ${field.offset}`),
  ])
  expect(printed?.trim().split('\n')).toEqual(expected)
})

/** The fields of the table that the system's header has too: it may be of an older kernel. */
function fieldsInHeader(name: string): readonly TableField[] {
  const body = new RegExp(`struct ${name} \\{([^}]*(?:\\{[^}]*\\}[^}]*)*)\\};`).exec(header ?? '')?.[1]
  if (body === undefined) return []
  return table.structs[name]!.fields.filter((field) => new RegExp(`\\b${field.name}\\b`).test(body))
}

test.skipIf(header === undefined)(
  'fields lie where the system’s linux/iommufd.h has them (skipped where there is none)',
  () => {
    const known = structs.flatMap(([name]) =>
      fieldsInHeader(name).map((field) => ({ at: `struct ${name}, ${field.name}`, offset: field.offset })),
    )
    const prints = known.map(({ at }) => `printf("${at} %zu\\n", offsetof(${at}));`)
    const source = `#include <stddef.h>\n#include <stdio.h>\n${HEADERS}int main(void) { ${prints.join('\n')} return 0; }`
    expect(compile(source, [], true)?.trim().split('\n')).toEqual(
      known.map(({ at, offset }) => `${at} ${offset}`),
    )
    expect(known.length).toBeGreaterThan(50)
  },
)

test.skipIf(header === undefined)(
  'constants have the values of the system’s headers (skipped where there are none)',
  () => {
    const known = Object.entries(abi)
      .flatMap(([name, value]) => (typeof value === 'number' ? [{ name, value }] : []))
      .filter(({ name }) => new RegExp(`\\b${name}\\b`).test(`${header}\n${macros}`))
    const prints = known.map(({ name }) => `printf("${name} %lld\\n", (long long)${name});`)
    const source = `#include <stdio.h>\n#include <sys/ioctl.h>\n${HEADERS}int main(void) { ${prints.join('\n')} return 0; }`
    expect(compile(source, [], true)?.trim().split('\n')).toEqual(
      known.map(({ name, value }) => `${name} ${value}`),
    )
    expect(known.length).toBeGreaterThan(20)
  },
)
