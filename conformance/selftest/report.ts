// SPDX-License-Identifier: MIT
/** The table of `npm run conformance:selftest`. */
import { type Row, totalsOf } from './compare.ts'
import { remarksIn } from './tap.ts'

export interface Column {
  readonly who: string
  readonly rows: readonly Row[]
  readonly output: string
  readonly seconds: number
}

/** A line a test: the kernel's verdict, ours of each run, and whether they differ. */
export function table(columns: readonly Column[]): string {
  const rows = columns[0]?.rows ?? []
  const width = Math.max(4, ...rows.map(({ name }) => name.length))
  const heads = columns.map(({ who }) => who)
  const head = `${'test'.padEnd(width)}  kernel  ${heads.join('  ')}`
  return [head, ...rows.map((row, index) => line(row, index, columns, width)), ''].join('\n')
}

function line({ name, kernel }: Row, index: number, columns: readonly Column[], width: number): string {
  const ours = columns.map(({ who, rows }) => (rows[index]?.ours ?? 'missing').padEnd(who.length))
  const mark = columns.some(({ rows }) => rows[index]?.differs === true) ? '  differs' : ''
  return `${name.padEnd(width)}  ${(kernel ?? '-').padEnd(6)}  ${ours.join('  ')}${mark}`.trimEnd()
}

/** What the program said of each test that differs. */
export function remarks({ who, rows, output }: Column): string {
  return rows
    .filter(({ differs }) => differs)
    .flatMap(({ name }) => [`${name}, as ${who}:`, ...remarksIn(output, name)])
    .map((text) => `${text}\n`)
    .join('')
}

export function totals({ who, rows, seconds }: Column): string {
  const { pass, skip, fail, missing, differ } = totalsOf(rows)
  const gone = missing === 0 ? '' : `, ${missing} missing`
  return `selftest: as ${who}: ${pass} pass, ${skip} skip, ${fail} fail${gone} of ${rows.length}; ${differ} differ; ${seconds.toFixed(1)} s\n`
}
