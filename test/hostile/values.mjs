// SPDX-License-Identifier: MIT
/** What stands in the fields of a hostile struct: mostly what could be meant, often enough what nobody means. */

/** Where things lie in the process's memory: `PAGES` writable pages, then read-only ones, then nothing. */
export const MEMORY = 0x1000_0000n
export const PAGES = 48
export const READ_ONLY = MEMORY + BigInt(PAGES) * 4096n
export const READ_ONLY_PAGES = 4
export const HOLE = READ_ONLY + BigInt(READ_ONLY_PAGES) * 4096n

const IOVA = 0x100_0000n
const HOSTILE_WORDS = [
  0xffffffff, 0x80000000, 0x7fffffff, 0x10000, 0x80000, 0x80001, 4096, 4097, 0x100000, 0xfffff,
]
const FLAGS = [0, 0, 0, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12]
const TYPES = [0, 1, 2, 3, 0xdead, 0xdeadbeef, 0xbeefbeef, 0xfeedbeef, 0xdadbeef, 0xbadbeef, 0xbaddad]
const SIZES = [0, 1, 4, 8, 12, 16, 24, 32, 40, 4096]
const HOSTILE_LONGS = [
  0n,
  1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 4096n,
  2n ** 38n,
  2n ** 47n,
  2n ** 52n,
  2n ** 32n,
]
const LENGTHS = [0x800n, 0x1000n, 0x1800n, 0x2000n, 0x8000n, 0x10000n, 0x100000n, 0x200000n]
const POINTERS = [
  0n,
  8n,
  HOLE,
  HOLE - 8n,
  READ_ONLY,
  READ_ONLY - 8n,
  0x7fff_ffff_eff8n,
  0x8000_0000_0000n,
  2n ** 64n - 8n,
]

/** A class of values for a field, by what it is called. */
function kindOf(name, size) {
  if (name === 'size') return 'size'
  if (/reserved|pad/.test(name)) return 'reserved'
  if (size === 8) {
    if (/uptr|user_va|allowed|data/.test(name)) return 'pointer'
    if (/length|num|page_size/.test(name)) return 'length'
    return 'iova'
  }
  if (name.endsWith('fd')) return 'descriptor'
  if (name.endsWith('id')) return 'id'
  if (name.includes('flags')) return 'flags'
  if (/type|iotlb|cache/.test(name)) return 'type'
  if (/len|num|depth|limit/.test(name)) return 'count'
  return 'word'
}

/** A field of a layout with its kind. */
export function fieldOf({ name, offset, size }) {
  const bare = name.slice(name.indexOf('.') + 1)
  return { name: bare, offset, size, kind: kindOf(bare, size) }
}

const small = (random) => random.below(random.chance(0.8) ? 8 : 24)
const id = (random) => 1 + random.below(random.chance(0.9) ? 12 : 24)
const hostileWord = (random) => (random.chance(0.5) ? random.of(HOSTILE_WORDS) : random.word())

const WORDS = {
  reserved: (random) => (random.chance(0.95) ? 0 : hostileWord(random)),
  descriptor: (random) => (random.chance(0.9) ? random.below(16) : hostileWord(random)),
  id: (random) => (random.chance(0.95) ? id(random) : hostileWord(random)),
  flags: (random) => (random.chance(0.95) ? random.of(FLAGS) : hostileWord(random)),
  type: (random) => (random.chance(0.95) ? random.of(TYPES) : hostileWord(random)),
  count: (random) =>
    random.chance(0.8) ? random.of(SIZES) : random.chance(0.5) ? small(random) : hostileWord(random),
  word: (random) => (random.chance(0.9) ? small(random) : hostileWord(random)),
}

function pointer(random) {
  if (random.chance(0.15)) return random.of(POINTERS)
  const page = MEMORY + BigInt(random.below(PAGES + READ_ONLY_PAGES)) * 4096n
  return random.chance(0.5) ? page : page + BigInt(random.below(4096))
}

const LONGS = {
  pointer,
  length: (random) => (random.chance(0.85) ? random.of(LENGTHS) : hostileLong(random)),
  iova: (random) => (random.chance(0.85) ? IOVA + BigInt(random.below(64)) * 0x800n : hostileLong(random)),
}

function hostileLong(random) {
  if (random.chance(0.6)) return random.of(HOSTILE_LONGS)
  return (BigInt(random.word()) << 32n) | BigInt(random.word())
}

/** Writes a value into the field of the struct. */
export function fill(view, { offset, size, kind }, random) {
  if (size === 8) view.setBigUint64(offset, (LONGS[kind] ?? LONGS.iova)(random), true)
  else if (size === 4) view.setUint32(offset, (WORDS[kind] ?? WORDS.word)(random), true)
  else if (size === 2) view.setUint16(offset, small(random), true)
  else for (let i = 0; i < size; i++) view.setUint8(offset + i, random.chance(0.9) ? 0 : random.below(256))
}
