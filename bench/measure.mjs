// SPDX-License-Identifier: MIT
/** Measures one line: both sides alternate, each round gives one ratio, the median counts. */
import { Ours } from './ours.mjs'
import { PeerUnavailable } from './peers.mjs'

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Our side and the peer's in turns; who begins changes each round. */
async function alternate(line, ours, peers, rounds) {
  const times = { ours: [], peer: [], ratios: [] }
  for (let round = 0; round < rounds; round++) {
    let oursNanos
    if (round % 2 === 0) oursNanos = await ours.time(line.ours.operations)
    const peerNanos = await peers.run(line.peer.program, line.peer.args)
    oursNanos ??= await ours.time(line.ours.operations)
    times.ours.push(oursNanos)
    times.peer.push(peerNanos)
    times.ratios.push(peerNanos / oursNanos)
  }
  return { ours: median(times.ours), peer: median(times.peer), ratio: median(times.ratios) }
}

async function alone(line, ours, rounds) {
  const times = []
  for (let round = 0; round < rounds; round++) times.push(await ours.time(line.ours.operations))
  return { ours: median(times), peer: null, ratio: null }
}

async function count(line, ours) {
  const { scavenges, bytes } = await ours.scavenges(line.ours.operations)
  return { ours: scavenges, peer: null, ratio: null, note: `heap grew by ${Math.round(bytes / 1024)} KiB` }
}

/** Why this machine has no such peer, or undefined. */
function missingPeer(line, peers) {
  if (line.peer === undefined) return undefined
  try {
    peers.build(line.peer.program)
    return undefined
  } catch (error) {
    if (error instanceof PeerUnavailable) return error.message
    throw error
  }
}

async function figures(line, ours, peers, rounds) {
  if (line.unit === 'scavenges') return count(line, ours)
  if (line.peer === undefined) return alone(line, ours, rounds)
  let missing = missingPeer(line, peers)
  if (missing === undefined) {
    try {
      return await alternate(line, ours, peers, rounds)
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error
      missing = error.message
    }
  }
  return { ...(await alone(line, ours, rounds)), note: `peer skipped: ${missing}` }
}

/** `true`, `false`, or `null` where there is no goal or no peer to hold it against. */
function reached(line, measured) {
  if (line.goal === undefined) return null
  if (line.peer === undefined) return measured.ours <= line.goal
  return measured.ratio === null ? null : measured.ratio >= line.goal
}

/** One entry of the result: { name, unit, ours, peer, ratio, goal, ok } and a note where there is something to say. */
export async function measureLine(line, peers, rounds) {
  const ours = new Ours(line.ours.module, line.ours.params)
  const head = { name: line.name, unit: line.unit }
  try {
    await ours.ready()
    await ours.time(line.ours.operations)
    const { note, ...measured } = await figures(line, ours, peers, rounds)
    const entry = { ...head, ...measured, goal: line.goal ?? null, ok: reached(line, measured) }
    return note === undefined ? entry : { ...entry, note }
  } catch (error) {
    process.stderr.write(`bench: ${line.name}: ${error.message}\n`)
    const note = error.message.split('\n', 1)[0]
    return { ...head, ours: null, peer: null, ratio: null, goal: line.goal ?? null, ok: false, note }
  } finally {
    ours.stop()
  }
}
