// SPDX-License-Identifier: MIT
/** Which room may import which. Rooms further left know nothing of rooms further right; types are imports too. */
import type { SourceFile } from './sources.ts'

const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['sim'],
  ['trace'],
  ['hardware'],
  ['kernel'],
  ['iommufd'],
  ['handlers'],
  ['machine'],
  ['scenario'],
  ['explore'],
  ['index'],
  ['host'],
  ['cli', 'web'],
]

const KERNEL_ORDER = ['mm', 'iommu', 'iopf', 'sva', 'drivers']

/** Rooms that know Node. Everything before them runs in a browser as well. */
const NODE_ROOMS = ['host', 'cli', 'web']

/** `src/kernel/iopf/queue.ts` is in room `kernel`, `src/machine.ts` in room `machine`. */
export function roomOf(path: string): string {
  const [, second = ''] = path.split('/')
  return second.replace(/\.ts$/, '')
}

export function isCore(path: string): boolean {
  return path.startsWith('src/') && !NODE_ROOMS.includes(roomOf(path))
}

/** Why `from` must not import `to`, or undefined. Paths from the project's root, both in src/. */
export function importComplaint(from: string, to: string): string | undefined {
  const [own, other] = [roomOf(from), roomOf(to)]
  const [ownFloor, otherFloor] = [floorOf(own), floorOf(other)]
  if (ownFloor < 0) return `room ${own} is not in the list of rooms`
  if (otherFloor < 0) return `room ${other} is not in the list of rooms`
  if (otherFloor > ownFloor) return `${own} must not know ${other}`
  if (otherFloor === ownFloor && own !== other) return `${own} and ${other} must not know each other`
  if (own === 'kernel') return kernelComplaint(from, to)
  return own === 'hardware' ? hardwareComplaint(from, to) : undefined
}

function floorOf(room: string): number {
  return FLOORS.findIndex((floor) => floor.includes(room))
}

/** Within the kernel mm, iommu, iopf, sva, drivers; of a unit only its layout; of endpoints nothing. */
function kernelComplaint(from: string, to: string): string | undefined {
  const [, toRoom, toPart = ''] = to.split('/')
  if (toRoom === 'hardware') {
    const isLogic = toPart === 'iommus' && !/\/layout[^/]*\.ts$/.test(to)
    if (isLogic) return 'the kernel knows layouts of units, not their logic'
    return toPart === 'endpoints' ? 'the kernel does not know endpoints' : undefined
  }
  if (toRoom !== 'kernel') return undefined
  const [own, other] = [KERNEL_ORDER.indexOf(partOf(from)), KERNEL_ORDER.indexOf(partOf(to))]
  if (own < 0 || other < 0) return `kernel folders are ${KERNEL_ORDER.join(', ')}`
  if (other > own) return `kernel/${partOf(from)} must not know kernel/${partOf(to)}`
  return partOf(from) === 'drivers' && partOf(to) === 'drivers' ? siblingComplaint(from, to) : undefined
}

/** Units and endpoints meet in pci messages only; one unit knows no other. */
function hardwareComplaint(from: string, to: string): string | undefined {
  if (roomOf(to) !== 'hardware') return undefined
  const [own, other] = [partOf(from), partOf(to)]
  if (isWhole(own) && isWhole(other) && own !== other)
    return `hardware/${own} must not know hardware/${other}`
  if (!isWhole(own) && isWhole(other)) return `hardware/${own} must not know hardware/${other}`
  return isWhole(own) && own === other ? siblingComplaint(from, to) : undefined
}

function isWhole(part: string): boolean {
  return part === 'iommus' || part === 'endpoints'
}

function siblingComplaint(from: string, to: string): string | undefined {
  const [own, other] = [from.split('/')[3], to.split('/')[3]]
  const isShared = other?.endsWith('.ts') === true
  return own === other || isShared ? undefined : `${own} must not know ${other}`
}

function partOf(path: string): string {
  return path.split('/')[2] ?? ''
}

/** Circles of imports, each as the list of its files; dynamic imports count. */
export function findCycles(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const graph = new Map(files.map((file) => [file.path, file.imports.flatMap(({ target }) => target ?? [])]))
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path])
      return
    }
    state.set(path, 'open')
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) visit(path, [])
  return cycles
}

/** Files that nothing reaches from `roots`. */
export function findUnreachable(files: readonly SourceFile[], roots: readonly string[]): readonly string[] {
  const graph = new Map(files.map((file) => [file.path, file.imports.flatMap(({ target }) => target ?? [])]))
  const reached = new Set<string>()
  const stack = [...roots]
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    stack.push(...(graph.get(path) ?? []))
  }
  return files.map((file) => file.path).filter((path) => !reached.has(path))
}
