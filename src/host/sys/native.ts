// SPDX-License-Identifier: MIT
/** The C library through koffi, which is optional: everything but unmodified programs works without it. */
import { createRequire } from 'node:module'

/** This host cannot run unmodified programs; the message says why and what to do. */
export class HostLacks extends Error {
  override readonly name = 'HostLacks'
}

export type NativeArgument = number | bigint
/** Integers below 2^53 come back as numbers. */
export type NativeFunction = (...values: NativeArgument[]) => number

export interface Native {
  /** `types`: koffi's names, the result first. */
  bind(name: string, types: readonly [result: string, ...values: string[]]): NativeFunction
  /** errno of the last call of this thread. */
  errno(): number
  /** Address of memory that does not move. */
  address(bytes: Uint8Array): number
}

interface Koffi {
  load(path: string): { func(name: string, result: string, values: string[]): NativeFunction }
  errno(): number
  address(bytes: Uint8Array): bigint
}

const C_LIBRARIES = ['libc.so.6', 'libc.musl-x86_64.so.1']

/** Throws HostLacks. */
export function loadNative(): Native {
  const koffi = requireKoffi()
  const library = loadFirst(koffi)
  return {
    bind: (name, [result, ...values]) => library.func(name, result, values),
    errno: () => koffi.errno(),
    address: (bytes) => Number(koffi.address(bytes)),
  }
}

function requireKoffi(): Koffi {
  try {
    const load: (name: string) => Koffi = createRequire(import.meta.url)
    return load('koffi')
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new HostLacks(`the optional package koffi cannot be loaded (${why}); next: npm install koffi`)
  }
}

function loadFirst(koffi: Koffi): ReturnType<Koffi['load']> {
  let last: unknown = undefined
  for (const path of C_LIBRARIES) {
    try {
      return koffi.load(path)
    } catch (error) {
      last = error
    }
  }
  throw new HostLacks(`no C library can be loaded (${String(last)}); next: use glibc or musl on x86-64`)
}
