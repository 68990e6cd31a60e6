// SPDX-License-Identifier: MIT
/** Standard output and error of the command: broken pipes, colour. Nothing else prints. */
import type { Invocation } from './options.ts'

/** A reader that went away ends the command quietly, with the exit code that is set by then. */
export function endQuietlyOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit()
      throw error
    })
  }
}

/** Resolves when standard output has taken the text. */
export function writeOut(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(error)
    })
  })
}

export function writeError(text: string): void {
  process.stderr.write(text)
}

export interface ColorEnvironment {
  readonly NO_COLOR?: string | undefined
  readonly FORCE_COLOR?: string | undefined
  readonly TERM?: string | undefined
}

/** `--color` first, then NO_COLOR, then FORCE_COLOR, then whether the stream is a terminal. */
export function wantsColor(
  when: string | undefined,
  environment: ColorEnvironment,
  isTerminal: boolean,
): boolean {
  if (when === 'always') return true
  if (when === 'never') return false
  const { NO_COLOR: no = '', FORCE_COLOR: force = '', TERM: term } = environment
  if (no !== '') return false
  if (force !== '') return force !== '0' && force !== 'false'
  return isTerminal && term !== 'dumb'
}

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_style, text) => text

/** Loads `node:util` only where something is coloured. */
export async function painter(invocation: Invocation): Promise<Paint> {
  if (!wantsColor(invocation.text('color'), process.env, process.stdout.isTTY)) return plain
  const { styleText } = await import('node:util')
  return (style, text) => styleText(style, text, { validateStream: false })
}
