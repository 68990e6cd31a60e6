// SPDX-License-Identifier: MIT
/** What a case must not ask of a program under `iopf run`: the host's own numbers and poll bits. */
import type { EncodedCase } from '../format/encoded.ts'
import { OPERATION, type Operation } from '../program/program.ts'
import type { RecordedAnswer } from '../record/answers.ts'

const F_DUPFD = 0n
const F_DUPFD_CLOEXEC = 1030n
const FIELD = /(^|\.)out_\w*fd$/
const POLLWRNORM = 0x100
const SOME = 'a descriptor'

const MAKERS: ReadonlySet<number> = new Set([
  OPERATION.open,
  OPERATION.dup,
  OPERATION.memfd,
  OPERATION.receiveFd,
])

/**
 * The same answers, any number of a new descriptor being as good as any other: fault queues have the highest, the kernel
 * gives the lowest free one. A queue polls POLLWRNORM beside POLLOUT, where the kernel's only says POLLOUT.
 */
export function withoutNumbers(
  { program, labels }: EncodedCase,
  answers: readonly RecordedAnswer[],
): RecordedAnswer[] {
  return answers.map((answer, index) => {
    const operation = program.operations[index]
    const { returned, wrote } = answer
    if (operation === undefined || typeof returned !== 'number') return answer
    const isNew = makes(operation) || labels[index]?.text.endsWith('DMABUF_GET') === true
    const polled = operation.code === OPERATION.poll ? returned & ~POLLWRNORM : returned
    const named = { ...answer, returned: isNew ? SOME : polled }
    return wrote === undefined ? named : { ...named, wrote: fieldsOf(wrote) }
  })
}

function makes({ code, arguments: [, command] }: Operation): boolean {
  return (
    MAKERS.has(code) || (code === OPERATION.fcntl && (command === F_DUPFD || command === F_DUPFD_CLOEXEC))
  )
}

function fieldsOf(wrote: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(wrote).map(([name, value]) => [name, FIELD.test(name) ? SOME : value])
  return Object.fromEntries(named)
}
