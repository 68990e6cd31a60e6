// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import type { World } from '../../../trace/world.ts'
import { Channel, type ChannelWaker } from './channel.ts'

const NOBODY = -1

/**
 * An engine's channels, and which of them can go on at once. All that are ready go on in one step, in the order in which
 * they became ready; where decisions are asked for, each has a step of its own, so that any order of them can be tried.
 */
export class ReadyChannels implements ChannelWaker {
  readonly channels: readonly Channel[]
  readonly #alarm: Alarm
  readonly #together: boolean
  readonly #step: (channel: Channel) => void
  /** Those that are ready, linked by index. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  #first: number
  #last: number
  #count: number

  /** `step`: what a channel does when it goes on. */
  constructor(world: World, name: string, count: number, step: (channel: Channel) => void) {
    this.#alarm = world.clock.createAlarm(`${name} channels`, () => this.#run())
    this.#together = world.decisions.isDefault
    this.#step = step
    this.#next = new Int32Array(count)
    this.#previous = new Int32Array(count)
    this.#first = this.#last = NOBODY
    this.#count = 0
    this.channels = Array.from(
      { length: count },
      (_, index) =>
        new Channel(index, this, (self) =>
          world.clock.createAlarm(`${name} channel ${index}`, () => step(self)),
        ),
    )
  }

  wake(channel: Channel): void {
    if (!this.#together) {
      channel.alarm.arm(0)
      return
    }
    if (channel.ready) return
    if (channel.alarm.armed) channel.alarm.cancel()
    this.#append(channel)
    if (!this.#alarm.armed) this.#alarm.arm(0)
  }

  /** The channel is not to go on by itself, now or later. */
  sleep(channel: Channel): void {
    if (channel.alarm.armed) channel.alarm.cancel()
    if (!channel.ready) return
    this.#remove(channel)
    if (this.#count === 0) this.#alarm.cancel()
  }

  /** Those that become ready meanwhile wait for the next step; so do the others when one throws. */
  #run(): void {
    try {
      for (let left = this.#count; left > 0 && this.#count > 0; left--) {
        const channel = this.channels[this.#first]!
        this.#remove(channel)
        this.#step(channel)
      }
    } finally {
      if (this.#count > 0 && !this.#alarm.armed) this.#alarm.arm(0)
    }
  }

  #append(channel: Channel): void {
    const { index } = channel
    const last = this.#last
    channel.ready = true
    this.#count++
    this.#next[index] = NOBODY
    this.#previous[index] = last
    if (last === NOBODY) this.#first = index
    else this.#next[last] = index
    this.#last = index
  }

  #remove(channel: Channel): void {
    const { index } = channel
    const next = this.#next[index]!
    const previous = this.#previous[index]!
    channel.ready = false
    this.#count--
    if (previous === NOBODY) this.#first = next
    else this.#next[previous] = next
    if (next === NOBODY) this.#last = previous
    else this.#previous[next] = previous
  }
}
