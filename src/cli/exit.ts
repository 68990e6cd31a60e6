// SPDX-License-Identifier: MIT
/** Exit codes of the command; documented in its help and man page. */
export const EXIT_OK = 0
export const EXIT_VIOLATION = 1
export const EXIT_USAGE = 2
export const EXIT_INPUT = 3
export const EXIT_HOST = 4
export const EXIT_THRESHOLD = 5
export const EXIT_BUG = 70
export const EXIT_SIGINT = 130

export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT_OK, 'success'],
  [EXIT_VIOLATION, 'a violation was found'],
  [EXIT_USAGE, 'wrong usage'],
  [EXIT_INPUT, 'bad input file'],
  [EXIT_HOST, 'this host cannot do it'],
  [EXIT_THRESHOLD, 'a threshold of `expect` was missed'],
  [EXIT_BUG, 'an assertion of iopf failed; the last line reproduces it'],
  [EXIT_SIGINT, 'interrupted by SIGINT'],
]

/** An expected failure of the command: `message` goes to stderr as it is, the process ends with `exitCode`. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The message for a failed system call on a user's file, without Node's syscall noise. */
export function explainFileError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return FILE_ERRORS[code] ?? (error instanceof Error ? error.message : String(error))
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'this is a directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'larger than this file system allows',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENXIO: 'no such device or address',
}
