// SPDX-License-Identifier: MIT
export * from './constants.ts'
export * from './edge.ts'
export * from './layouts.gen.ts'
export * from './selftest.ts'
export * from './vfio.ts'
