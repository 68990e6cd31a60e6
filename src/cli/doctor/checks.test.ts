// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Check, checkKernel, checkNode, checkProcessor, checkSeccomp, checkTracing } from './checks.ts'

describe('checks of the host', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-doctor-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function file(text: string): string {
    const path = join(folder, 'file')
    writeFileSync(path, text)
    return path
  }

  it.each<[string, Check['status']]>([
    ['0\n', 'ok'],
    ['1\n', 'ok'],
    ['2\n', 'missing'],
    ['3\n', 'missing'],
  ])('of ptrace_scope %j is %s', (text, status) => {
    expect(checkTracing(file(text)).status).toBe(status)
  })

  it('of a kernel without Yama is ok', () => {
    expect(checkTracing(join(folder, 'nothing')).status).toBe('ok')
  })

  it.each<[string, Check['status']]>([
    ['kill_process errno user_notif allow\n', 'ok'],
    ['kill_process errno allow\n', 'missing'],
  ])('of seccomp with %j is %s', (text, status) => {
    expect(checkSeccomp(file(text)).status).toBe(status)
  })

  it('tell the cure where something is missing', () => {
    for (const check of [checkKernel('5.18.0'), checkProcessor('arm64'), checkNode('18.0.0')]) {
      expect(check.status).not.toBe('ok')
      expect(check.cure).not.toBe('')
    }
    expect(checkKernel('5.19.0').status).toBe('ok')
    expect(checkProcessor('x64').status).toBe('ok')
  })
})
