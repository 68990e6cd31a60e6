// SPDX-License-Identifier: MIT

/** A group that the program has read. */
export interface ReadGroup {
  readonly cookie: number
  readonly grpid: number
  /** Which group it is, for whoever answers it. */
  readonly key: string
  /** Who read it. */
  readonly pid: number
  readonly fd: number
}

export type Answerer = 'program' | 'kernel'

/** What happened to the cookies of one queue. */
export class QueueHistory {
  /** Read and not answered, by cookie. */
  readonly outstanding: Map<number, ReadGroup> = new Map()
  /** Who answered last under a cookie that is free now. */
  readonly answered: Map<number, Answerer> = new Map()
  /** The last read gave nothing. */
  endedWithZero = false
  /** Descriptor under which it was used last, and the process. */
  fd = -1
  pid = 0

  read(group: ReadGroup): void {
    this.outstanding.set(group.cookie, group)
    this.answered.delete(group.cookie)
  }

  /** The group that the answer belongs to. */
  answer(cookie: number, by: Answerer): ReadGroup | undefined {
    const group = this.outstanding.get(cookie)
    if (group === undefined) return undefined
    this.outstanding.delete(cookie)
    this.answered.set(cookie, by)
    return group
  }

  find(key: string): ReadGroup | undefined {
    for (const group of this.outstanding.values()) if (group.key === key) return group
    return undefined
  }
}
