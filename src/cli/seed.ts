// SPDX-License-Identifier: MIT
import { CliError, EXIT_USAGE } from './exit.ts'

export const SEED_MAX = 0xffff_ffff

/** The value of `--seed`; throws CliError (usage) where it is none. */
export function parseSeed(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seed = /^(?:\d{1,10}|0[xX][\da-fA-F]{1,8})$/.test(text) ? Number(text) : Number.NaN
  if (seed <= SEED_MAX) return seed
  throw new CliError(EXIT_USAGE, `--seed: got ${JSON.stringify(text)}, expected 0 to ${SEED_MAX}, or 0x...`)
}
