// SPDX-License-Identifier: MIT
/** stat(2), access(2), readlink(2) and their kin on device files of ours. */
import { EACCES, EFAULT, EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import * as n from '../../sys/numbers.ts'
import { ARCH_I386 } from '../filter.ts'
import {
  folderLookedAt,
  type Looked,
  lookedAt,
  writeStat,
  writeStatI386,
  writeStatx,
} from '../stat-structs.ts'
import type { Outcome, Ports } from './handler.ts'

const X_OK = 1

export function stat(ports: Ports): Outcome {
  return status(ports, n.AT_FDCWD, 0, 0)
}

export function lstat(ports: Ports): Outcome {
  return status(ports, n.AT_FDCWD, 0, n.AT_SYMLINK_NOFOLLOW)
}

export function fstatat(ports: Ports): Outcome {
  return status(ports, ports.listener.int(0), 1, ports.listener.int(3))
}

export function statx(ports: Ports): Outcome {
  const { listener } = ports
  const node = nodeAt(ports, listener.int(0), 1, listener.int(2))
  if (node === undefined) return 'proceed'
  return copyOut(ports, 4, writeStatx(ports.system.arena.view, ports.scratch, node))
}

export function access(ports: Ports): Outcome {
  return permission(ports, n.AT_FDCWD, 0, ports.listener.int(1), 0)
}

export function faccessat(ports: Ports): Outcome {
  return permission(ports, ports.listener.int(0), 1, ports.listener.int(2), 0)
}

export function faccessat2(ports: Ports): Outcome {
  const { listener } = ports
  return permission(ports, listener.int(0), 1, listener.int(2), listener.int(3))
}

export function readlink(ports: Ports): Outcome {
  return link(ports, n.AT_FDCWD, 0)
}

export function readlinkat(ports: Ports): Outcome {
  return link(ports, ports.listener.int(0), 1)
}

/** getxattr(2) and its kin: a device file has none. */
export function attributes(ports: Ports): Outcome {
  if (nodeAt(ports, n.AT_FDCWD, 0, 0) === undefined) return 'proceed'
  throw EOPNOTSUPP
}

/** `pathIndex`: argument that holds the path; the struct is the next one. */
function status(ports: Ports, folder: number, pathIndex: number, flags: number): Outcome {
  const node = nodeAt(ports, folder, pathIndex, flags)
  if (node === undefined) return 'proceed'
  const fill = ports.listener.arch === ARCH_I386 ? writeStatI386 : writeStat
  return copyOut(ports, pathIndex + 1, fill(ports.system.arena.view, ports.scratch, node))
}

function permission(ports: Ports, folder: number, pathIndex: number, mode: number, flags: number): Outcome {
  const node = nodeAt(ports, folder, pathIndex, flags)
  if (node === undefined) return 'proceed'
  if ((mode & X_OK & ~node.mode) !== 0) throw EACCES
  return 0
}

/** A device file is no link; a link to an open file of ours has the text that the kernel would give it. */
function link(ports: Ports, folder: number, pathIndex: number): Outcome {
  const { listener, paths, nodes, registry, system, scratch } = ports
  const path = paths.read(listener.tid, listener.argument(pathIndex))
  if (path === undefined || path === '') return 'proceed'
  const found = nodes.find(listener.tid, folder, path, { followLast: false, looksAtLinks: false })
  if (found === undefined || found.kind === 'status') return 'proceed'
  if (found.kind !== 'open file') throw EINVAL
  const held = registry.find(n.AT_FDCWD, found.path)
  if (held === undefined) return 'proceed'
  const { name } = held.file
  const text = new TextEncoder().encode(name.startsWith('[') ? `anon_inode:${name}` : name)
  const length = Math.min(text.length, listener.argument(pathIndex + 2))
  system.arena.bytes.set(text.subarray(0, length), scratch)
  if (length === 0) throw EINVAL
  return copyOut(ports, pathIndex + 1, length) === 0 ? length : 'proceed'
}

function nodeAt(ports: Ports, folder: number, pathIndex: number, flags: number): Looked | undefined {
  const { listener, paths, nodes, registry, threads, folders } = ports
  const path = paths.read(listener.tid, listener.argument(pathIndex))
  if (path === undefined) return undefined
  if (path === '') {
    if ((flags & n.AT_EMPTY_PATH) === 0 || registry.size === 0) return undefined
    return named(ports, threads.find(listener.tid, folder)?.name)
  }
  const followLast = (flags & n.AT_SYMLINK_NOFOLLOW) === 0
  const found = nodes.find(listener.tid, folder, path, { followLast, looksAtLinks: false })
  if (found?.kind === 'folder') return folderLookedAt(folders.identify(found.folder))
  if (found?.kind === 'node') return lookedAt(found.node)
  return found?.kind === 'open file'
    ? named(ports, registry.find(n.AT_FDCWD, found.path)?.file.name)
    : undefined
}

function named({ nodes }: Ports, name: string | undefined): Looked | undefined {
  const node = nodes.named(name)
  return node === undefined ? undefined : lookedAt(node)
}

/** From the scratch to the address in an argument. */
function copyOut({ listener, system, scratch }: Ports, index: number, bytes: number): number {
  if (system.writeProcess(listener.tid, listener.argument(index), scratch, bytes) !== bytes) throw EFAULT
  return 0
}
