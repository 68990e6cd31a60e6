// SPDX-License-Identifier: MIT
/** What needs Node: the package's subpath ./host. */
export { type FileSource, openFileSource } from './file-source.ts'
export { inlineMore } from './v8-flags.ts'
