// SPDX-License-Identifier: MIT
/** open(2) and its kin. */
import { closeSync } from 'node:fs'
import { EEXIST, EISDIR, ENOTDIR } from '../../../base/errno.ts'
import type { OpenFile } from '../../../iommufd/files.ts'
import * as n from '../../sys/numbers.ts'
import type { NodeFolder } from '../node-tree.ts'
import type { Found } from '../nodes.ts'
import { isGone } from '../notifications.ts'
import type { Program } from '../threads.ts'
import type { Outcome, Ports } from './handler.ts'
import { openStatus } from './status.ts'

/** Flags that stay with an open file. */
const KEPT_FLAGS = n.O_ACCMODE | n.O_NONBLOCK
const OPEN_HOW_BYTES = 24

export function open(ports: Ports): Outcome {
  const { listener } = ports
  return openPath(ports, n.AT_FDCWD, listener.argument(0), listener.int(1))
}

export function creat(ports: Ports): Outcome {
  return openPath(ports, n.AT_FDCWD, ports.listener.argument(0), n.O_CREAT | 1)
}

export function openat(ports: Ports): Outcome {
  const { listener } = ports
  return openPath(ports, listener.int(0), listener.argument(1), listener.int(2))
}

/** Flags are in a struct; its other rules are the kernel's, which refuses what it does not know. */
export function openat2(ports: Ports): Outcome {
  const { listener, system, scratch: how } = ports
  if (listener.argument(3) < OPEN_HOW_BYTES) return 'proceed'
  if (system.readProcess(listener.tid, listener.argument(2), how, OPEN_HOW_BYTES) !== OPEN_HOW_BYTES)
    return 'proceed'
  return openPath(ports, listener.int(0), listener.argument(1), system.arena.view.getInt32(how, true))
}

function openPath(ports: Ports, folder: number, address: number, flags: number): Outcome {
  const { listener, paths, nodes } = ports
  const path = paths.read(listener.tid, address)
  if (path === undefined || path === '') return 'proceed'
  const follow = (flags & n.O_NOFOLLOW) === 0
  const isNew = (flags & n.O_CREAT) !== 0 && (flags & n.O_EXCL) !== 0
  const looksAtLinks = !isNew && (flags & n.O_DIRECTORY) === 0
  const found = nodes.find(listener.tid, folder, path, { followLast: follow, looksAtLinks })
  if (found === undefined || !listener.valid) return 'proceed'
  if ((flags & n.O_PATH) !== 0) return 'proceed'
  if (found.kind === 'status') return openStatus(ports, found, flags)
  if (found.kind === 'folder') return openFolder(ports, found.folder, flags)
  if ((flags & n.O_DIRECTORY) !== 0) throw ENOTDIR
  if ((flags & n.O_CREAT) !== 0 && (flags & n.O_EXCL) !== 0) throw EEXIST
  return openFound(ports, found, flags)
}

function openFolder({ listener, folders }: Ports, folder: NodeFolder, flags: number): Outcome {
  if ((flags & n.O_ACCMODE) !== n.O_RDONLY) throw EISDIR
  const source = folders.open(folder)
  if (source < 0) return source
  const result = listener.addDescriptor({ source, closeOnExec: (flags & n.O_CLOEXEC) !== 0, answers: true })
  closeSync(source)
  return result < 0 && !isGone(result) ? result : 'answered'
}

function openFound(
  ports: Ports,
  found: Exclude<Found, { kind: 'status' | 'folder' }>,
  flags: number,
): Outcome {
  const { listener, devices, registry, threads } = ports
  const program = threads.serve(listener.tid)
  if (program === undefined) return 'proceed'
  if (found.kind === 'node') return give(ports, program, devices.open(found.node.path, program), flags)
  const held = registry.find(n.AT_FDCWD, found.path)
  if (held === undefined) return 'proceed'
  const { file } = held
  const isNode = file.name.startsWith('/dev/')
  return give(ports, program, isNode ? devices.open(file.name, program) : file.reopen(flags), flags)
}

/** Opens the file's stand-in at the program's lowest free number. */
function give({ listener }: Ports, program: Program, file: OpenFile, flags: number): Outcome {
  file.flags = flags & KEPT_FLAGS
  const source = standInFor(program, file)
  const closeOnExec = (flags & n.O_CLOEXEC) !== 0
  const result = listener.addDescriptor({ source, closeOnExec, answers: true })
  closeSync(source)
  return result < 0 && !isGone(result) ? result : 'answered'
}

/** ENFILE: the file is released again. */
function standInFor(program: Program, file: OpenFile): number {
  try {
    return program.files.standIn(file)
  } catch (thrown) {
    file.put()
    throw thrown
  }
}
