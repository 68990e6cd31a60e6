// SPDX-License-Identifier: MIT
/** ioctl(2) on files of ours. */
import { ENOTTY } from '../../../base/errno.ts'
import type { Outcome, Ports } from './handler.ts'

/** Those that the kernel answers for every file: FIONCLEX, FIOCLEX, FIONBIO, FIOASYNC. */
const GENERIC = new Set([0x5450, 0x5451, 0x5421, 0x5452])
/** Those after which pages are charged: MAP, COPY, MAP_FILE, CHANGE_PROCESS, VFIO's MAP_DMA. */
const MAPPING = new Set([0x3b83, 0x3b85, 0x3b8f, 0x3b92, 0x3b71])
const TYPE_MASK = 0xff00
const TYPE_IOMMU = 0x3b00

export function ioctl({ listener, threads, mappedFiles }: Ports): Outcome {
  const number = listener.int(1)
  if (GENERIC.has(number)) return 'proceed'
  const file = threads.find(listener.tid, listener.int(0))
  if (file === undefined) return 'proceed'
  if ((number & TYPE_MASK) !== TYPE_IOMMU) throw ENOTTY
  if (MAPPING.has(number)) threads.program.noteLimit()
  mappedFiles.refresh()
  return file.ioctl(threads.program, number >>> 0, listener.argumentsHi[2]!, listener.argumentsLo[2]!)
}
