// SPDX-License-Identifier: MIT
/** What the kernel's test program prints: the Test Anything Protocol. */

export type TestVerdict = 'pass' | 'skip' | 'fail'

const LINE = /^(not )?ok \d+ (\S+)( # SKIP)?/

/** The verdict of each test, in their order. */
export function verdictsIn(text: string): Map<string, TestVerdict> {
  const verdicts = new Map<string, TestVerdict>()
  for (const line of text.split('\n')) {
    const [found, not, name, skip] = LINE.exec(line) ?? []
    if (found === undefined || name === undefined) continue
    verdicts.set(name, not === undefined ? (skip === undefined ? 'pass' : 'skip') : 'fail')
  }
  return verdicts
}

/** What the program said of a test that failed, before its verdict. */
export function remarksIn(text: string, name: string): string[] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith('#  RUN') && line.includes(` ${name} `))
  const end = lines.findIndex((line, index) => index > start && LINE.exec(line)?.[2] === name)
  return start < 0 || end < 0 ? [] : lines.slice(start + 1, end)
}
