// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { Rng } from '../../../sim/rng.ts'
import type { AccessObject } from '../access/access.ts'
import { type GranuleDomain, IoasRig, PAGE, codeOf } from './ioas-rig.suite.ts'

const PAGES = 24
const STEPS = 250
const SPACES = 2

/** An area as a list of what it shows: bytes of the memory (files lie behind it), from a byte on. */
interface ModelArea {
  readonly ioas: number
  readonly iova: number
  readonly bytes: number
  /** Place in the memory of the pages object, and which object. */
  readonly object: number
  readonly byte: number
}

interface ModelPin {
  readonly access: AccessObject
  readonly iova: number
  readonly pages: number
  /** `object:page` of each. */
  readonly held: readonly string[]
}

/** What should be: kept beside the real thing, with sets and lists only. */
class Model {
  areas: ModelArea[] = []
  pins: ModelPin[] = []

  find(ioas: number, iova: number): ModelArea | undefined {
    return this.areas.find((area) => area.ioas === ioas && area.iova <= iova && iova < area.iova + area.bytes)
  }

  /** Pages that somebody holds. */
  held(spaces: readonly number[]): Set<string> {
    const held = new Set<string>(this.pins.flatMap((pin) => pin.held))
    for (const { ioas, object, byte, bytes } of this.areas) {
      if (!spaces.includes(ioas)) continue
      for (let page = byte >> 12; page <= (byte + bytes - 1) >> 12; page++) held.add(`${object}:${page}`)
    }
    return held
  }
}

class Walk {
  readonly rig: IoasRig = new IoasRig()
  readonly model: Model = new Model()
  readonly spaces: number[] = []
  readonly domains: GranuleDomain[][] = []
  readonly accesses: AccessObject[] = []
  readonly memory: bigint
  readonly fd: number
  readonly #rng: Rng
  #objects = 0
  /** Object to where its memory starts: an address, or a place in the file. */
  readonly #starts: { readonly file: boolean; readonly start: number }[] = []

  constructor(seed: number) {
    this.#rng = new Rng(seed)
    this.memory = this.rig.anonymous(PAGES)
    this.fd = this.rig.memfd(PAGES)
    for (let i = 0; i < SPACES; i++) {
      const ioas = this.rig.ioas()
      this.rig.object(ioas).disableLargePages()
      this.rig.object(ioas).largePages = this.#chance(2)
      this.rig.object(ioas).updateAlignment()
      this.spaces.push(ioas)
      this.domains.push([])
      this.accesses.push(
        this.rig.access(ioas, { unmap: (_hi, lo, _lengthHi, bytes) => this.#giveUp(i, lo, bytes) }),
      )
    }
  }

  step(): void {
    const action = this.#below(8)
    if (action <= 1) this.#map()
    else if (action === 2) this.#copy()
    else if (action === 3) this.#unmap()
    else if (action === 4) this.#pin()
    else if (action === 5) this.#unpin()
    else if (action === 6) this.#domain()
    else this.#cut()
    this.#compare()
  }

  end(): void {
    for (const space of this.spaces) this.rig.unmapAll(space)
    expect([this.rig.frames.pinned, this.rig.process.mm.pinnedVm]).toEqual([0, 0])
    for (const domain of this.domains.flat()) expect(domain.granules.size).toBe(0)
  }

  #map(): void {
    const file = this.#chance(2)
    const page = this.#below(PAGES)
    const pages = 1 + this.#below(Math.min(6, PAGES - page))
    const space = this.#below(SPACES)
    const iova = this.#iova()
    const request = { ioas: this.spaces[space]!, bytes: BigInt(pages) * PAGE, iova: BigInt(iova) }
    const code = codeOf(() =>
      file
        ? this.rig.mapFile({ ...request, fd: this.fd, at: BigInt(page) * PAGE })
        : this.rig.map({ ...request, at: this.memory + BigInt(page) * PAGE }),
    )
    expect(code).toBe(this.#occupied(space, iova, pages * 4096) ? 'EEXIST' : 'ok')
    if (code !== 'ok') return
    const object = this.#objects++
    this.#starts.push({ file, start: page })
    this.model.areas.push({ ioas: space, iova, bytes: pages * 4096, object, byte: 0 })
  }

  #copy(): void {
    const from = this.#below(SPACES)
    const to = this.#below(SPACES)
    const at = this.#iova()
    const iova = this.#iova()
    const bytes = (1 + this.#below(6)) * 4096
    const code = codeOf(() =>
      this.rig.copy({
        ioas: this.spaces[to]!,
        from: this.spaces[from]!,
        at: BigInt(at),
        iova: BigInt(iova),
        bytes: BigInt(bytes),
      }),
    )
    const pieces = this.#pieces(from, at, bytes)
    expect(code).toBe(pieces === undefined ? 'ENOENT' : this.#occupied(to, iova, bytes) ? 'EEXIST' : 'ok')
    if (code !== 'ok') return
    let next = iova
    for (const piece of pieces!) {
      this.model.areas.push({ ...piece, ioas: to, iova: next })
      next += piece.bytes
    }
  }

  #unmap(): void {
    const space = this.#below(SPACES)
    const iova = this.#iova()
    const bytes = (1 + this.#below(12)) * 4096
    const inside = this.model.areas
      .filter((area) => area.ioas === space && area.iova < iova + bytes && area.iova + area.bytes > iova)
      .toSorted((a, b) => a.iova - b.iova)
    const whole: ModelArea[] = []
    let partly = false
    for (const area of inside) {
      partly = area.iova < iova || area.iova + area.bytes > iova + bytes
      if (partly) break
      whole.push(area)
    }
    const code = codeOf(() => this.rig.unmap(this.spaces[space]!, BigInt(iova), BigInt(bytes)))
    expect(code).toBe(partly || whole.length === 0 ? 'ENOENT' : 'ok')
    this.model.areas = this.model.areas.filter((area) => !whole.includes(area))
  }

  #pin(): void {
    const space = this.#below(SPACES)
    const iova = this.#iova()
    const pages = 1 + this.#below(4)
    const pieces = this.#pieces(space, iova, pages * 4096)
    const frames = new Int32Array(pages)
    const access = this.accesses[space]!
    const code = codeOf(() => access.pinPages(0, iova, 0, pages * 4096, 1, frames))
    expect(code).toBe(pieces === undefined ? 'ENOENT' : 'ok')
    if (pieces === undefined) return
    const shown = pieces.flatMap((piece) =>
      Array.from({ length: piece.bytes / 4096 }, (_, page) => ({
        object: piece.object,
        page: (piece.byte >> 12) + page,
      })),
    )
    expect([...frames]).toEqual(shown.map(({ object, page }) => this.#frame(object, page)))
    const held = shown.map(({ object, page }) => `${object}:${page}`)
    this.model.pins.push({ access, iova, pages, held })
  }

  #unpin(): void {
    const [pin] = this.model.pins.splice(this.#below(this.model.pins.length + 1), 1)
    pin?.access.unpinPages(0, pin.iova, 0, pin.pages * 4096)
  }

  #domain(): void {
    const space = this.#below(SPACES)
    const domains = this.domains[space]!
    const ioas = this.rig.object(this.spaces[space]!)
    if (domains.length === 2 || (domains.length > 0 && this.#chance(2))) {
      const [domain] = domains.splice(this.#below(domains.length), 1)
      ioas.removeDomain(domain!)
      expect(domain!.granules.size).toBe(0)
    } else domains.push(this.rig.domain(this.spaces[space]!))
  }

  #cut(): void {
    const space = this.#below(SPACES)
    const iova = this.#iova()
    const area = this.model.find(space, iova - 1)
    const inside = area !== undefined && area.iova + area.bytes > iova
    const ioas = this.rig.object(this.spaces[space]!)
    const pinned = inside && this.#isPinned(space, area)
    const refused = inside && ((ioas.largePages && this.domains[space]!.length > 0) || pinned)
    expect(codeOf(() => ioas.cutArea(0, iova - 1, this.rig.world.failpoints))).toBe(refused ? 'EINVAL' : 'ok')
    if (!inside || refused) return
    this.model.areas = this.model.areas.filter((entry) => entry !== area)
    const low = iova - area.iova
    this.model.areas.push({ ...area, bytes: low })
    this.model.areas.push({ ...area, iova, bytes: area.bytes - low, byte: area.byte + low })
  }

  #compare(): void {
    const filled = this.domains.flatMap((domains, space) => (domains.length > 0 ? [space] : []))
    const held = this.model.held(filled)
    expect([this.rig.process.mm.pinnedVm, this.rig.frames.pinned]).toEqual([held.size, held.size])
    for (const [space, domains] of this.domains.entries())
      for (const domain of domains) this.#compareDomain(space, domain)
  }

  #compareDomain(space: number, domain: GranuleDomain): void {
    let granules = 0
    for (const area of this.model.areas) {
      if (area.ioas !== space) continue
      granules += area.bytes / 2048
      for (let at = 0; at < area.bytes; at += 2048) {
        const byte = area.byte + at
        const expected = this.#frame(area.object, byte >> 12) * 4096 + (byte & 4095)
        if (domain.physical(BigInt(area.iova + at)) !== expected)
          expect(domain.physical(BigInt(area.iova + at))).toBe(expected)
      }
    }
    expect(domain.granules.size).toBe(granules)
  }

  #frame(object: number, page: number): number {
    const { file, start } = this.#starts[object]!
    if (!file) return this.rig.physicalOf(this.memory + BigInt(start + page) * PAGE) / 4096
    return this.rig.fileFrame(this.fd, start + page)
  }

  #pieces(space: number, iova: number, bytes: number): ModelArea[] | undefined {
    const pieces: ModelArea[] = []
    for (let at = iova; at < iova + bytes; ) {
      const area = this.model.find(space, at)
      if (area === undefined) return undefined
      const end = Math.min(iova + bytes, area.iova + area.bytes)
      pieces.push({ ...area, iova: at, bytes: end - at, byte: area.byte + at - area.iova })
      at = end
    }
    return pieces
  }

  #isPinned(space: number, area: ModelArea): boolean {
    return this.model.pins.some(
      (pin) =>
        pin.access === this.accesses[space] &&
        pin.iova < area.iova + area.bytes &&
        pin.iova + pin.pages * 4096 > area.iova,
    )
  }

  #giveUp(space: number, lo: number, bytes: number): void {
    const given = this.model.pins.filter(
      (pin) =>
        pin.access === this.accesses[space] && pin.iova < lo + bytes && pin.iova + pin.pages * 4096 > lo,
    )
    this.model.pins = this.model.pins.filter((pin) => !given.includes(pin))
    for (const pin of given) pin.access.unpinPages(0, pin.iova, 0, pin.pages * 4096)
  }

  #occupied(space: number, iova: number, bytes: number): boolean {
    return this.model.areas.some(
      (area) => area.ioas === space && area.iova < iova + bytes && area.iova + area.bytes > iova,
    )
  }

  #iova(): number {
    return 0x10000 + this.#below(32) * 4096
  }

  #below(end: number): number {
    return this.#rng.below(end)
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0
  }
}

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'areas, copies, cuts, pins and domains agree with a model of sets: seed %i',
  (seed) => {
    const walk = new Walk(seed)
    for (let i = 0; i < STEPS; i++) walk.step()
    walk.end()
  },
)
