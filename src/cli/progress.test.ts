// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { formatSeconds, Progress, type ProgressStream } from './progress.ts'

function harness(isTTY: boolean): { written: string[]; progress: Progress; at: (millis: number) => void } {
  const written: string[] = []
  let now = 0
  const stream: ProgressStream = { isTTY, columns: 60, write: (text) => written.push(text) }
  const progress = new Progress({ stream, label: 'run', totalBytes: 100 * 2 ** 20, now: () => now })
  return { written, progress, at: (millis) => (now = millis) }
}

describe('progress', () => {
  it('is one changing line on a terminal, at most ten times a second, and goes away', () => {
    const { written, progress, at } = harness(true)
    for (let millis = 0; millis <= 1000; millis += 10) {
      at(millis)
      progress.update(millis * 2 ** 10)
    }
    expect(written).toHaveLength(10)
    expect(written.every((text) => text.startsWith('\r\u001b[K') && !text.includes('\n'))).toBe(true)
    progress.end()
    expect(written.at(-1)).toBe('\r\u001b[K')
  })

  it('has rate and time left', () => {
    const { written, progress, at } = harness(false)
    at(10_000)
    progress.update(20 * 2 ** 20)
    expect(written).toEqual(['run: 20.0 MiB of 100 MiB, 20 %, 2.00 MiB/s, ETA 00:40\n'])
  })

  it('is a line every ten seconds elsewhere, and none for a short run', () => {
    const { written, progress, at } = harness(false)
    for (let millis = 0; millis <= 35_000; millis += 500) {
      at(millis)
      progress.update(1)
    }
    progress.end()
    expect(written).toHaveLength(3)
    expect(written.every((text) => text.endsWith('\n') && !text.includes('\r'))).toBe(true)
  })

  it('never breaks a terminal line', () => {
    const { written, progress, at } = harness(true)
    at(1_000)
    progress.update(0)
    expect(written[0]!.length).toBeLessThanOrEqual('\r\u001b[K'.length + 59)
  })

  it('knows nothing of the time left before the first byte', () => {
    const { written, progress, at } = harness(false)
    at(10_000)
    progress.update(0)
    expect(written[0]).toContain('ETA --:--')
  })
})

describe('time left', () => {
  it.each([
    [0, '00:00'],
    [59.1, '01:00'],
    [125, '02:05'],
    [3_725, '1:02:05'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})
