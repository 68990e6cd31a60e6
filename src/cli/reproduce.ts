// SPDX-License-Identifier: MIT
/** The command line that does the same again, to paste into a shell or a mail. */

let seed: number | undefined

/** From now on the line names this seed, also where the user gave none. */
export function noteSeed(value: number): void {
  seed = value
}

/** `reproduce: iopf simulate x.yaml --seed 1` from the words of this process. */
export function reproducer(words: readonly string[] = process.argv.slice(2)): string {
  const isSeeded = words.some((word) => word === '--seed' || word.startsWith('--seed='))
  const all = ['iopf', ...words, ...(seed === undefined || isSeeded ? [] : ['--seed', String(seed)])]
  return `reproduce: ${all.map(shellQuote).join(' ')}`
}

export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
