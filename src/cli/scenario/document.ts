// SPDX-License-Identifier: MIT
export * from '../../scenario/document.ts'
