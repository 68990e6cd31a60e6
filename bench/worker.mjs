// SPDX-License-Identifier: MIT
/**
 * Our side of one line, in a process of its own: what one line taught the compiler does not change another line. V8 may
 * inline as much as it may in the command.
 * Messages in: { operations, count }; messages out: { nanos } a operation, { scavenges, bytes }, or { error }.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { inlineMore } from '../dist/host/index.js'

/** Adds up the CPU time of this process between `start` and `stop`. */
class Stopwatch {
  micros = 0
  #before = undefined

  start() {
    this.#before = process.cpuUsage()
  }

  stop() {
    const spent = process.cpuUsage(this.#before)
    this.micros += spent.user + spent.system
  }
}

async function timeOf(scenario, operations) {
  const watch = new Stopwatch()
  const done = await scenario.run(operations, watch)
  return { nanos: (watch.micros * 1000) / done }
}

async function scavengesOf(scenario, operations) {
  let scavenges = 0
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.detail.kind === constants.NODE_PERFORMANCE_GC_MINOR) scavenges++
    }
  })
  const watch = { start() {}, stop() {} }
  globalThis.gc()
  await sleep(20)
  observer.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage().heapUsed
  await scenario.run(operations, watch)
  const bytes = process.memoryUsage().heapUsed - before
  await sleep(20)
  observer.disconnect()
  return { scavenges, bytes }
}

async function main() {
  const { module, params } = JSON.parse(process.argv[2])
  inlineMore()
  const scenario = await (await import(new URL(`./ours/${module}.mjs`, import.meta.url))).setup(params)
  process.on('message', ({ operations, count }) => {
    const result = count ? scavengesOf(scenario, operations) : timeOf(scenario, operations)
    result.then(
      (value) => process.send(value),
      (error) => process.send({ error: String(error.stack ?? error) }),
    )
  })
  process.send({ ready: true })
}

process.on('disconnect', () => process.exit(0))
main().catch((error) => process.send({ error: String(error.stack ?? error) }, () => process.exit(1)))
