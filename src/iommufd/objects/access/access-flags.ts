// SPDX-License-Identifier: MIT
/** Flags of pins, reads and writes of an access (`spec/02` §4). */
export const ACCESS_RW_READ = 0
export const ACCESS_RW_WRITE = 1
/** A kernel thread reads or writes: it borrows the address space of who mapped. */
export const ACCESS_RW_KTHREAD = 2
/** The test ABI's: never copies directly. */
export const ACCESS_RW_SLOW_PATH = 4
