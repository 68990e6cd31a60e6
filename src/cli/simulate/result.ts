// SPDX-License-Identifier: MIT
export * from '../../scenario/result.ts'
