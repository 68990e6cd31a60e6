// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import type { World } from '../../../trace/world.ts'
import { Channel, type ChannelWaker } from './channel.ts'

const NOBODY = -1

/**
 * An engine's channels, and which of them can go on at once. All that are ready go on in one step, in the order in which
 * they became ready; where decisions are asked for, each has a step of its own, so that any order of them can be tried. A
 * single channel has nothing to wait for.
 */
export class ReadyChannels implements ChannelWaker {
  readonly channels: readonly Channel[]
  readonly #alarm: Alarm
  readonly #together: boolean
  readonly #step: (channel: Channel) => void
  /** Those that are ready, linked by index. */
  readonly #next: Int32Array
  #first: number
  #last: number
  #count: number

  /** `step`: what a channel does when it goes on. */
  constructor(world: World, name: string, count: number, step: (channel: Channel) => void) {
    this.#alarm = world.clock.createAlarm(`${name} channels`, () => this.#run())
    this.#together = count > 1 && world.decisions.isDefault
    this.#step = step
    this.#next = new Int32Array(count)
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
      for (let left = this.#count; left > 0 && this.#count > 0; left--) this.#step(this.#shift())
    } finally {
      if (this.#count > 0 && !this.#alarm.armed) this.#alarm.arm(0)
    }
  }

  #append(channel: Channel): void {
    const { index } = channel
    channel.ready = true
    this.#next[index] = NOBODY
    if (this.#count++ === 0) this.#first = index
    else this.#next[this.#last] = index
    this.#last = index
  }

  #shift(): Channel {
    const channel = this.channels[this.#first]!
    channel.ready = false
    this.#count--
    this.#first = this.#next[this.#first]!
    return channel
  }

  /** From anywhere: it is looked for. */
  #remove(channel: Channel): void {
    let before = NOBODY
    for (let at = this.#first; at !== channel.index; at = this.#next[at]!) before = at
    const next = this.#next[channel.index]!
    channel.ready = false
    this.#count--
    if (before === NOBODY) this.#first = next
    else this.#next[before] = next
    if (next === NOBODY) this.#last = before
  }
}
