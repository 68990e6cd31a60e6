// SPDX-License-Identifier: MIT
import type { DeviceNodes } from '../../src/iommufd/fs/device-nodes.ts'
import { OpenFile } from '../../src/iommufd/files.ts'
import type { UserBuffer } from '../../src/iommufd/user-memory.ts'

/** /dev/null: what the descriptors 0, 1 and 2 of a program are. */
class NullFile extends OpenFile {
  override readonly positioned: boolean = true
  override readonly executable: boolean = true

  protected override release(): void {}

  override read(_buffer: UserBuffer): number {
    return 0
  }

  override write(buffer: UserBuffer): number {
    return buffer.lengthBytes
  }

  override pread(_buffer: UserBuffer, _offset: number): number {
    return 0
  }

  override pwrite(buffer: UserBuffer, _offset: number): number {
    return buffer.lengthBytes
  }

  override seek(_offset: number, _whence: number): number {
    return 0
  }
}

export function registerNull(nodes: DeviceNodes): void {
  nodes.register('/dev/null', () => new NullFile('/dev/null'))
}
