// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { wrap } from './help.ts'
import { manPage } from './man.ts'
import { COMMANDS, optionsOf } from './options.ts'

describe('the man page', () => {
  const page = manPage()

  it('has every command, option and exit code', () => {
    for (const command of COMMANDS) {
      expect(page).toContain(`.SS iopf ${command.path.join(' ')}`)
      for (const { long } of optionsOf(command)) expect(page).toContain(`\\-\\-${long}`)
    }
    for (const code of [0, 1, 2, 3, 4, 5, 70, 130]) expect(page).toContain(`.B ${code}\n`)
  })

  it('has no text line that troff takes for a request', () => {
    const known = /^\.(TH|SH|SS|B|I|br|TP|PP|RS|RE)( |$)/
    for (const line of page.trimEnd().split('\n')) {
      if (/^[.']/.test(line)) expect(line).toMatch(known)
      else expect(line).not.toBe('')
    }
  })
})

describe('wrapping', () => {
  it('breaks at spaces and leaves long words whole', () => {
    expect(wrap('a bb ccc dddddddd e', 6)).toEqual(['a bb', 'ccc', 'dddddddd', 'e'])
  })
})
