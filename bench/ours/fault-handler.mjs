// SPDX-License-Identifier: MIT
/** A synchronous fault handler without garbage, on the hot twins of the typed door: read, map, write. */
import {
  HwptPageResponse,
  HwptPgfault,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_PGFAULT_FLAGS_LAST_PAGE,
  IOMMUFD_PAGE_RESP_INVALID,
  IOMMUFD_PAGE_RESP_SUCCESS,
  IoasMap,
} from '../../dist/iommufd/abi/index.js'

const PAGE = 4096
const RECORDS = 64
const RECORD_WORDS = HwptPgfault.SIZE / 4
const RESPONSE_WORDS = HwptPageResponse.SIZE / 4

// Words of struct iommu_hwpt_pgfault.
const FLAGS = 0
const ADDRESS_LO = 6
const ADDRESS_HI = 7
const COOKIE = 9

export class SynchronousHandler {
  #queue
  #ioas
  #repairs
  #footprint
  #sourceFirst
  #records = new Int32Array(RECORDS * RECORD_WORDS)
  #recordBytes = new Uint8Array(this.#records.buffer)
  #responses = new Int32Array(RECORDS * RESPONSE_WORDS)
  #responseBytes = new Uint8Array(this.#responses.buffer)
  #map = new IoasMap()

  constructor({ queue, ioas, source }, { footprint, repairs }) {
    this.#queue = queue
    this.#ioas = ioas
    this.#repairs = repairs
    this.#footprint = footprint
    this.#sourceFirst = Number(source / 4096n)
    this.#map.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE
    this.#map.ioas_id = ioas.id
  }

  /** Answers what is queued. */
  serve() {
    for (;;) {
      const records = this.#queue.readBytes(this.#recordBytes) / HwptPgfault.SIZE
      if (records === 0) return
      this.#answer(this.#handle(records))
    }
  }

  #handle(records) {
    let responses = 0
    for (let index = 0; index < records; ) {
      const length = this.#runFrom(index, records)
      if (this.#repairs) this.#place(index, length)
      index += length
      const last = (index - 1) * RECORD_WORDS
      if ((this.#records[last + FLAGS] & IOMMU_PGFAULT_FLAGS_LAST_PAGE) === 0) continue
      this.#responses[responses * RESPONSE_WORDS] = this.#records[last + COOKIE]
      this.#responses[responses * RESPONSE_WORDS + 1] = this.#repairs
        ? IOMMUFD_PAGE_RESP_SUCCESS
        : IOMMUFD_PAGE_RESP_INVALID
      responses++
    }
    return responses
  }

  /** How many records of one group, from the index on, ask for consecutive pages. */
  #runFrom(index, records) {
    let length = 1
    for (; index + length < records; length++) {
      const at = (index + length) * RECORD_WORDS
      if (this.#records[at + COOKIE] !== this.#records[at - RECORD_WORDS + COOKIE]) break
      if (this.#records[at + ADDRESS_LO] !== this.#records[at - RECORD_WORDS + ADDRESS_LO] + PAGE) break
    }
    return length
  }

  /** Maps the pages at once. A run never wraps: groups are aligned in the footprint. */
  #place(index, length) {
    const command = this.#map
    const lo = this.#records[index * RECORD_WORDS + ADDRESS_LO]
    const user = this.#sourceFirst + ((lo >>> 12) % this.#footprint)
    command.user_va_hi = (user / 1048576) | 0
    command.user_va_lo = user << 12
    command.length_lo = length * PAGE
    command.iova_hi = this.#records[index * RECORD_WORDS + ADDRESS_HI]
    command.iova_lo = lo
    this.#ioas.mapCommand(command)
  }

  #answer(responses) {
    const bytes = responses * HwptPageResponse.SIZE
    const taken = this.#queue.writeBytes(this.#responseBytes, bytes)
    if (taken !== bytes) throw new Error(`write took ${taken} of ${bytes} bytes`)
  }
}
