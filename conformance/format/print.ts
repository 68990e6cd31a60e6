// SPDX-License-Identifier: MIT
/** Operations as lines of a case file. */
import type { OperationSpec } from './schema.ts'

export function printCase(
  title: string,
  kernel: 'plain' | 'ext',
  operations: readonly OperationSpec[],
): string {
  const head = [`title: ${JSON.stringify(title)}`, 'spec: []', ...(kernel === 'ext' ? ['kernel: ext'] : [])]
  return [
    ...head,
    'operations:',
    ...operations.map((operation) => `  - ${printOperation(operation)}`),
    '',
  ].join('\n')
}

function printOperation({ kind, as, in: process, ...rest }: OperationSpec): string {
  const ordered: [string, unknown][] = Object.entries(rest).sort(
    ([a], [b]) => Number(b === kind) - Number(a === kind),
  )
  const entries: [string, unknown][] = [['as', as], ['in', process], ...ordered]
  return printMap(entries)
}

function printMap(entries: readonly [string, unknown][]): string {
  const parts = entries.filter(([, value]) => value !== undefined && !isEmpty(value))
  return `{ ${parts.map(([name, value]) => `${name}: ${printValue(value)}`).join(', ')} }`
}

function isEmpty(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  )
}

function printValue(value: unknown): string {
  if (typeof value === 'bigint')
    return value < 10n && value > -10n ? String(value) : `0x${value.toString(16)}`
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    return entries.length === 0 ? '{}' : printMap(entries)
  }
  const text = String(value)
  return /^[0-9a-f ]*$/.test(text) ? `'${text}'` : text
}
