// SPDX-License-Identifier: MIT
export type { OpenOptions } from './context-file.ts'
export { contextOf } from './context-file.ts'
export { IommufdError } from './error.ts'
export {
  type Caller,
  FdTable,
  OpenFile,
  POLL_ERR,
  POLL_IN,
  POLL_NVAL,
  POLL_OUT,
  POLL_RDNORM,
  UserAccount,
} from './files.ts'
export * from './iommufd.ts'
export type { DeviceDirectory } from './objects/context.ts'
export { Process, type ProcessOptions } from './process.ts'
export type { AddressSpace, UserBuffer, UserMemory } from './user-memory.ts'
