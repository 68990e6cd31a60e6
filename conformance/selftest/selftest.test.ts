// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { compareVerdicts, totalsOf } from './compare.ts'
import { type HugePages, hugePagesIn } from './huge-pages.ts'
import { makeRecording } from './recording.ts'
import { type Column, remarks, table, totals } from './report.ts'
import { remarksIn, verdictsIn } from './tap.ts'

const OUTPUT = `TAP version 13
1..4
#  RUN           iommufd.simple_close ...
#            OK  iommufd.simple_close
ok 1 iommufd.simple_close
#  RUN           iommufd.huge ...
# iommufd.c:100:huge:Expected MAP_FAILED != buf
# huge: Test failed
#          FAIL  iommufd.huge
not ok 2 iommufd.huge
#  RUN           iommufd.none ...
#      SKIP      Skipping test for variant none
ok 3 iommufd.none # SKIP Skipping test for variant none
`

const RECORDING = makeRecording(
  '7.2.13',
  new Map([
    ['iommufd.simple_close', 'pass'],
    ['iommufd.huge', 'pass'],
    ['iommufd.none', 'skip'],
    ['iommufd.last', 'pass'],
  ]),
  new Map([
    ['iommufd.simple_close', 'pass'],
    ['iommufd.huge', 'fail'],
    ['iommufd.none', 'skip'],
    ['iommufd.last', 'pass'],
  ]),
)

function differing(pages: HugePages): string[] {
  return compareVerdicts(RECORDING, verdictsIn(OUTPUT), pages)
    .filter(({ differs }) => differs)
    .map(({ name, kernel, ours }) => `${name}: ${kernel} ${ours}`)
}

describe('the output of the test program', () => {
  it('tells the verdict of each test', () => {
    expect([...verdictsIn(OUTPUT)]).toEqual([
      ['iommufd.simple_close', 'pass'],
      ['iommufd.huge', 'fail'],
      ['iommufd.none', 'skip'],
    ])
  })

  it('says why a test failed', () => {
    expect(remarksIn(OUTPUT, 'iommufd.huge')).toEqual([
      '# iommufd.c:100:huge:Expected MAP_FAILED != buf',
      '# huge: Test failed',
      '#          FAIL  iommufd.huge',
    ])
    expect(remarksIn(OUTPUT, 'iommufd.last')).toEqual([])
  })
})

describe('the verdicts of a run against the kernel', () => {
  it('differ where the kernel says something else, and where the program never came', () => {
    expect(differing('enough')).toEqual(['iommufd.huge: pass fail', 'iommufd.last: pass missing'])
  })

  it('are those of a kernel without huge pages where there are none', () => {
    expect(differing('none')).toEqual(['iommufd.last: pass missing'])
  })

  it('are not compared where huge pages may or may not suffice', () => {
    expect(differing('some')).toEqual(['iommufd.last: pass missing'])
  })

  it('are a table', () => {
    const rows = compareVerdicts(RECORDING, verdictsIn(OUTPUT), 'enough')
    const column: Column = { who: 'root', rows, output: OUTPUT, seconds: 1.25 }
    expect(table([column])).toBe(`test                  kernel  root
iommufd.simple_close  pass    pass
iommufd.huge          pass    fail  differs
iommufd.none          skip    skip
iommufd.last          pass    missing  differs
`)
    expect(remarks(column)).toContain('iommufd.huge, as root:\n# iommufd.c:100')
    expect(totals(column)).toBe(
      'selftest: as root: 1 pass, 1 skip, 1 fail, 1 missing of 4; 2 differ; 1.3 s\n',
    )
    expect(totalsOf(rows)).toEqual({ pass: 1, skip: 1, fail: 1, missing: 1, differ: 2 })
  })
})

describe('huge pages of the host', () => {
  it.each([
    ['HugePages_Total:     256\nHugePages_Free:      256\nHugepagesize:       2048 kB\n', 'enough'],
    ['HugePages_Total:     256\nHugePages_Free:      100\nHugepagesize:       2048 kB\n', 'some'],
    ['HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n', 'none'],
    ['MemTotal: 1 kB\n', 'none'],
  ])('%j', (text, expected) => {
    expect(hugePagesIn(text)).toBe(expected)
  })
})
