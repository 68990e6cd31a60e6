// SPDX-License-Identifier: MIT
/** The figures as text. */
import { cpus } from 'node:os'

function figure(value) {
  if (value === null) return '-'
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(value < 10 ? 2 : 1)
}

function goalText(line) {
  if (line.goal === null) return '-'
  return line.unit === 'scavenges' ? `${line.goal}` : `≥ ${line.goal}×`
}

function verdict(line) {
  if (line.ours === null) return 'FAILED'
  if (line.ok === null) return ''
  return line.ok ? 'ok' : 'MISSES ITS GOAL'
}

function columns(name, unit, ours, peer, ratio, goal, last) {
  const cells = [name.padEnd(22), unit.padEnd(12), ours.padStart(9), peer.padStart(9)]
  return [...cells, ratio.padStart(9), goal.padStart(8), ` ${last}`].join(' ').trimEnd()
}

export function describe(rounds) {
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  return [
    `Node ${process.versions.node}, ${processor}, ${cpus().length} CPUs; ${rounds} rounds.`,
    'CPU time of all threads; ratio = peer / ours, more is better.',
    '',
  ].join('\n')
}

export function header() {
  return columns('line', 'unit', 'ours', 'peer', 'ratio', 'goal', '')
}

export function row(line) {
  const ratio = line.ratio === null ? '-' : `${figure(line.ratio)}×`
  const last = [verdict(line), line.note === undefined ? '' : `(${line.note})`].filter(Boolean).join(' ')
  return columns(line.name, line.unit, figure(line.ours), figure(line.peer), ratio, goalText(line), last)
}

/** Lines that were measured and did not reach their goal. */
export function missed(lines) {
  return lines.filter((line) => line.ok === false)
}

export function footer(lines) {
  const names = missed(lines).map((line) => line.name)
  const judged = lines.filter((line) => line.ok !== null).length
  if (judged === 0) return '\nNo goal to hold a figure against.'
  return names.length === 0
    ? `\nAll ${judged} lines with a goal reach it.`
    : `\n${names.length} of ${judged} lines miss their goal: ${names.join(', ')}`
}
