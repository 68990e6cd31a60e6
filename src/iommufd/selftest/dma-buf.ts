// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import { DmaBuf } from '../../kernel/mm/dma-buf.ts'
import type { TestCmdDmabufGet, TestCmdDmabufRevoke } from '../abi/index.ts'
import type { Caller } from '../files.ts'
import { O_CLOEXEC } from '../fs/constants.ts'
import { DmaBufFile } from '../fs/dma-buf-file.ts'
import type { Context } from '../objects/context.ts'
import { portOf } from './port.ts'

const LENGTH_MAX = 2 * 2 ** 20

/** DMABUF_GET: the result is the descriptor, as up to Linux 7.2. EINVAL (length), ENOMEM, EMFILE. */
export function dmaBufGet(context: Context, command: TestCmdDmabufGet, caller: Caller): number {
  const length = command.length >>> 0
  if (length === 0 || length > LENGTH_MAX) throw EINVAL
  const dmaBuf = new DmaBuf(portOf(context).frames, length)
  try {
    const fd = caller.files.reserve((command.open_flags & O_CLOEXEC) !== 0)
    caller.files.install(fd, new DmaBufFile(dmaBuf, command.open_flags))
    return fd
  } catch (thrown) {
    dmaBuf.put()
    throw thrown
  }
}

/** DMABUF_REVOKE: takes the memory away from every device, or lends it again. EBADF; EINVAL: not a dma-buf. */
export function dmaBufRevoke(_context: Context, command: TestCmdDmabufRevoke, caller: Caller): void {
  const file = caller.files.get(command.dmabuf_fd)
  if (!(file instanceof DmaBufFile)) throw EINVAL
  if (command.revoked === 0) file.dmaBuf.restore()
  else file.dmaBuf.revoke()
}
