// SPDX-License-Identifier: MIT
export type { OpenOptions } from './context-file.ts'
export { contextOf } from './context-file.ts'
export { IommufdError } from './error.ts'
export { FdTable, OpenFile, POLL_ERR, POLL_IN, POLL_NVAL, POLL_OUT, POLL_RDNORM } from './files.ts'
export * from './iommufd.ts'
export type { DeviceDirectory } from './objects/context.ts'
export { type AddressSpace, Process, type ProcessOptions, UserAccount } from './process.ts'
export type { UserBuffer, UserMemory } from './user-memory.ts'
