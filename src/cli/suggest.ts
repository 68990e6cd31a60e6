// SPDX-License-Identifier: MIT

/** `; did you mean "pri"?` for the nearest of `names`, or an empty string where none is near. */
export function didYouMean(word: string, names: readonly string[]): string {
  const name = nearest(word, names)
  return name === undefined ? '' : `; did you mean ${JSON.stringify(name)}?`
}

/** The name with the smallest edit distance to `word`, at most 3 and less than half its length; case is ignored. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  if (word.length > 64) return undefined
  const limit = Math.min(3, Math.max(1, Math.floor(word.length / 2)))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const name of names) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase())
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** Optimal string alignment: insert, delete, replace, swap of neighbours. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let distance = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) distance = Math.min(distance, before[j - 2]! + 1)
      row.push(distance)
    }
    before = previous
    previous = row
  }
  return previous[b.length]!
}
