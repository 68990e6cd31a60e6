// SPDX-License-Identifier: MIT
import { pageTableConformance } from './conformance.suite.ts'
import { MOCK } from './formats/mock.ts'
import { vtdFirstStage } from './formats/vtd-first-stage.ts'
import { vtdSecondStage } from './formats/vtd-second-stage.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from './formats/x86-64.ts'

const X86_SKIPS = [
  { name: 'lets no read through a write-only page', reason: 'a present page can always be read' },
]

pageTableConformance(X86_64_4_LEVEL, X86_SKIPS)
pageTableConformance(X86_64_5_LEVEL, X86_SKIPS)
pageTableConformance(MOCK, [
  { name: 'lets nothing execute without permission', reason: 'what can be read can be executed' },
  { name: 'keeps privileged pages from unprivileged requests', reason: 'it knows no privilege' },
  { name: 'marks pages accessed', reason: 'it has no accessed bit' },
  { name: 'refuses a large page at a level that has none', reason: 'every level has large pages' },
])

const SECOND_STAGE_SKIPS = [
  { name: 'lets nothing execute without permission', reason: 'what can be read can be executed' },
  { name: 'keeps privileged pages from unprivileged requests', reason: 'it knows no privilege' },
]

pageTableConformance(vtdSecondStage(3, true), SECOND_STAGE_SKIPS)
pageTableConformance(vtdSecondStage(4, true), SECOND_STAGE_SKIPS)
pageTableConformance(vtdSecondStage(5, true), SECOND_STAGE_SKIPS)
pageTableConformance(vtdFirstStage({ levels: 4, writeProtect: true, noExecute: true, smep: true }), X86_SKIPS)
