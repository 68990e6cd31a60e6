// SPDX-License-Identifier: MIT
import { EINVAL } from '../../../base/errno.ts'
import {
  FORMAT_MOCK,
  FORMAT_X86_64_4_LEVEL,
  FORMAT_X86_64_5_LEVEL,
} from '../../../hardware/iommus/simple/layout.ts'
import type { PageTableFormat } from '../../../hardware/page-tables/format.ts'
import { MOCK } from '../../../hardware/page-tables/formats/mock.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from '../../../hardware/page-tables/formats/x86-64.ts'

/** Page-table formats of the unit, by their FORMAT_ number. */
const FORMATS: readonly PageTableFormat[] = [MOCK, X86_64_4_LEVEL, X86_64_5_LEVEL]

export type FormatName = 'mock' | 'x86-64-4' | 'x86-64-5'

const NUMBERS: Readonly<Record<FormatName, number>> = {
  mock: FORMAT_MOCK,
  'x86-64-4': FORMAT_X86_64_4_LEVEL,
  'x86-64-5': FORMAT_X86_64_5_LEVEL,
}

export function formatNumber(name: FormatName): number {
  return NUMBERS[name]
}

/** The format of a FORMAT_ number; EINVAL for a number that there is none of. */
export function formatOf(number: number): PageTableFormat {
  const format = FORMATS[number]
  if (format === undefined) throw EINVAL
  return format
}

/** FORMAT_ number of a table, -1 when the unit does not know it. */
export function numberOfFormat(format: PageTableFormat): number {
  return FORMATS.indexOf(format)
}
