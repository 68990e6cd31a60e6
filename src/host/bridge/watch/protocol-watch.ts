// SPDX-License-Identifier: MIT
import { type OpenFile, POLL_IN } from '../../../iommufd/files.ts'
import { EVENTS } from '../../../trace/events.ts'
import { RecordedEvent, type Recorder } from '../../../trace/recorder.ts'
import { QueueHistory } from './queue-history.ts'
import { NOTES, type Rule, type Verdict, VERDICTS_MAX } from './verdicts.ts'

const EINVAL = 22
const ESPIPE = 29
const RECORD_BYTES = 40
const RESPONSES: Readonly<Record<number, string>> = { 0: 'SUCCESS', 1: 'INVALID', 2: 'FAILURE' }

/** A read or write that was served. */
export interface QueueCall {
  readonly file: OpenFile
  readonly way: 'read' | 'write'
  readonly pid: number
  readonly fd: number
  /** Bytes asked for. */
  readonly bytes: number
  /** Bytes moved, or minus an errno. */
  readonly result: number
  /** Of a write: the answer that was not taken. */
  readonly refused?: { readonly cookie: number; readonly code: number }
}

/** Who answered groups. */
export interface Answers {
  /** By the program, by code. */
  program: Record<string, number>
  kernel: number
}

/** Looks on while a program handles page faults, and says what it does wrong: the call, the cookie, what the device saw. */
export class ProtocolWatch {
  readonly verdicts: Verdict[] = []
  readonly answers: Answers = { program: {}, kernel: 0 }
  /** Verdicts beyond the bound. */
  lost = 0
  readonly #trace: Recorder
  readonly #queues: Map<OpenFile, QueueHistory> = new Map()
  /** Groups of closed queues that a verdict was given about. */
  readonly #reported: Set<string> = new Set()
  readonly #event: RecordedEvent = new RecordedEvent()
  readonly #keepsEvents: boolean
  #next = 0

  /** `keepsEvents`: somebody else wants the events, too. */
  constructor(trace: Recorder, keepsEvents: boolean) {
    this.#trace = trace
    this.#keepsEvents = keepsEvents
    trace.enabled = true
  }

  /** Verdicts about something that is wrong. */
  get broken(): number {
    return this.verdicts.filter(({ rule }) => !NOTES.has(rule)).length
  }

  /** A read or write of a queue is over. */
  afterQueueCall(call: QueueCall): void {
    const queue = this.#queueOf(call.file)
    queue.fd = call.fd
    queue.pid = call.pid
    this.#follow(queue)
    if (call.way === 'read') this.#judgeRead(call, queue)
    else this.#judgeWrite(call, queue)
  }

  /** Anything else happened in the machine. */
  afterOther(): void {
    this.#follow(undefined)
  }

  /** The last descriptor of a file is closed. `atExit`: because its process ended. */
  released(file: OpenFile, atExit: boolean, left: string): void {
    this.#follow(undefined)
    const queue = this.#queues.get(file)
    const place = { pid: queue?.pid ?? 0, fd: queue?.fd ?? -1 }
    if (queue !== undefined) this.#judgeEnd(file, queue)
    this.#queues.delete(file)
    const what = left === '' ? '' : ` with ${left}`
    if (atExit && (left !== '' || queue !== undefined))
      this.#say('left-open', place, 0, `${file.name} was left open${what} when its process ended`)
  }

  #queueOf(file: OpenFile): QueueHistory {
    let queue = this.#queues.get(file)
    if (queue === undefined) this.#queues.set(file, (queue = new QueueHistory()))
    return queue
  }

  /** Events since the last time; `queue`: whose reads and writes they tell of. */
  #follow(queue: QueueHistory | undefined): void {
    const trace = this.#trace
    const event = this.#event
    let response = ''
    for (; this.#next < trace.length; this.#next++) {
      trace.read(this.#next, event)
      const [a = 0, b = 0, , d = 0] = event.args
      if (event.event === EVENTS.group_read) {
        const group = { cookie: d, grpid: b, key: keyOf(event), pid: queue?.pid ?? 0, fd: queue?.fd ?? -1 }
        queue?.read(group)
      } else if (event.event === EVENTS.group_write) {
        queue?.answer(a, 'program')
        const name = RESPONSES[b] ?? String(b)
        this.answers.program[name] = (this.answers.program[name] ?? 0) + 1
      } else if (event.event === EVENTS.group_auto_response) {
        response = keyOf(event)
      } else if (event.event === EVENTS.page_response && response !== '') {
        const device = trace.nameOf(a) ?? 'the device'
        this.#answeredByKernel(response, device, RESPONSES[d] ?? String(d))
        response = ''
      }
    }
    if (response !== '') this.#answeredByKernel(response, 'the device', 'INVALID')
    if (this.#keepsEvents) return
    trace.clear()
    this.#next = 0
  }

  #answeredByKernel(key: string, device: string, code: string): void {
    this.answers.kernel++
    for (const queue of this.#queues.values()) {
      const group = queue.find(key)
      if (group === undefined) continue
      queue.answer(group.cookie, 'kernel')
      const what = `group ${group.grpid} (cookie ${group.cookie}) was read and not answered when its page table was detached`
      this.#say('answered-for-it', group, group.cookie, `${what}: the kernel answered, ${device} saw ${code}`)
      return
    }
    if (this.#reported.delete(key) || this.#queues.size === 0) return
    const what = `a group was not even read when its page table was detached`
    this.#say('answered-for-it', { pid: 0, fd: -1 }, 0, `${what}: the kernel answered, ${device} saw ${code}`)
  }

  #judgeRead({ bytes, result, pid, fd }: QueueCall, queue: QueueHistory): void {
    if (result !== -EINVAL && result !== -ESPIPE) queue.endedWithZero = result === 0 && bytes > 0
    if (result === -ESPIPE && bytes % RECORD_BYTES !== 0)
      this.#say(
        'short-buffer',
        { pid, fd },
        0,
        `read of ${bytes} bytes: not whole records of ${RECORD_BYTES}`,
      )
    else if (result === -EINVAL)
      this.#say('short-buffer', { pid, fd }, 0, `read of ${bytes} bytes: the next group is longer, and stays`)
  }

  #judgeWrite({ pid, fd, refused }: QueueCall, queue: QueueHistory): void {
    if (refused === undefined) return
    const { cookie, code } = refused
    const by = queue.answered.get(cookie)
    const place = { pid, fd }
    if (code > 1)
      this.#say('refused-code', place, cookie, `answer ${code} to cookie ${cookie}: only 0 and 1 are taken`)
    else if (by === 'program')
      this.#say(
        'answered-twice',
        place,
        cookie,
        `cookie ${cookie} was answered already; the second answer is refused`,
      )
    else if (by === 'kernel')
      this.#say(
        'answered-for-it',
        place,
        cookie,
        `cookie ${cookie} was answered by the kernel before; this answer is refused`,
      )
    else this.#say('unknown-cookie', place, cookie, `cookie ${cookie} was never read`)
  }

  #judgeEnd(file: OpenFile, queue: QueueHistory): void {
    for (const { cookie, grpid, key } of queue.outstanding.values()) {
      this.#reported.add(key)
      this.#say(
        'unanswered',
        queue,
        cookie,
        `group ${grpid} (cookie ${cookie}) was read and never answered: its device waits`,
      )
    }
    if ((file.poll() & POLL_IN) === 0) return
    if (queue.endedWithZero)
      this.#say(
        'zero-for-end',
        queue,
        0,
        'groups came after a read that gave 0, and nobody read again: 0 is no end of file',
      )
    else this.#say('unread', queue, 0, 'groups were never read: their devices wait')
  }

  #say(rule: Rule, place: { readonly pid: number; readonly fd: number }, cookie: number, text: string): void {
    if (this.verdicts.length >= VERDICTS_MAX) this.lost++
    else this.verdicts.push({ rule, pid: place.pid, fd: place.fd, cookie, text })
  }
}

/** Which group an event of a queue is about. */
function keyOf({ flow, args }: RecordedEvent): string {
  return `${flow}:${args[0]}:${args[1]}`
}
