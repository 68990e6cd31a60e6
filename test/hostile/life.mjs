// SPDX-License-Identifier: MIT
/** One process that throws hostile buffers at /dev/iommu, reads and writes what it gets, and ends. */
import { IOMMU_IOAS_MAP_FILE } from '../../dist/iommufd/abi/index.js'
import { DmaBufFile } from '../../dist/iommufd/fs/dma-buf-file.js'
import { MemfdFile } from '../../dist/iommufd/fs/memfd-file.js'
import { isErrno } from '../../dist/base/errno.js'
import { PROT_READ, PROT_WRITE } from '../../dist/index.js'
import { PRELUDE, STRUCT_BYTES_MAX, hostileStruct, plainStruct } from './structs.mjs'
import { HOLE, MEMORY, PAGES, READ_ONLY, READ_ONLY_PAGES } from './values.mjs'

const MAP_FILE_FD_AT = 12
const MAP_PRIVATE_FIXED = 0x02 | 0x10 | 0x20
const MAP_SHARED = 0x01
const OPEN_FILES_MAX = 48
/** Where structs are put: anywhere in the first pages, and at the very end of memory. */
const STRUCT_PAGES = 8

export class Life {
  #random
  #main
  #child = undefined
  #bytes = new Uint8Array(STRUCT_BYTES_MAX)
  #view = new DataView(this.#bytes.buffer)
  #count

  /** `count`: told the code of each call, `ok` or the errno. */
  constructor(machine, random, count) {
    this.#random = random
    this.#count = count
    const limits = random.chance(0.5) ? { capIpcLock: true } : { memlockBytes: random.below(64) * 4096 }
    this.#main = machine.process({
      capSysResource: random.chance(0.5),
      openFilesMax: OPEN_FILES_MAX,
      ...limits,
    })
    this.#mapMemory()
    this.#main.open('/dev/iommu')
    if (random.chance(0.9)) this.#begin()
    if (random.chance(0.3)) this.#main.open(random.chance(0.5) ? '/dev/vfio/vfio' : '/dev/iommu')
    const file = this.#main.memfdCreate()
    this.#main.ftruncate(file, 8 * 4096)
  }

  get processes() {
    return [this.#main, this.#child].filter((process) => process !== undefined)
  }

  /** One call. Throws what is no errno. */
  step() {
    const process = this.#child !== undefined && this.#random.chance(0.3) ? this.#child : this.#main
    try {
      this.#call(process)
      this.#count('ok')
    } catch (thrown) {
      if (!isErrno(thrown) || !Object.isFrozen(thrown)) throw thrown
      this.#count(thrown.code)
    }
  }

  end() {
    for (const process of this.processes) process.exit()
  }

  #mapMemory() {
    const request = { prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE_FIXED }
    const length = (PAGES + READ_ONLY_PAGES) * 4096
    this.#main.mmap({ ...request, address: MEMORY, length })
    this.#main.mprotect(READ_ONLY, READ_ONLY_PAGES * 4096, PROT_READ)
  }

  #begin() {
    for (const [number, size, values] of PRELUDE) {
      plainStruct(this.#bytes, this.#view, size, values)
      this.#main.poke(MEMORY, this.#bytes)
      try {
        this.#main.ioctl(0, number, MEMORY)
      } catch (thrown) {
        if (!isErrno(thrown)) throw thrown
      }
    }
  }

  #descriptor() {
    return this.#random.chance(0.93)
      ? 0
      : this.#random.below(this.#random.chance(0.95) ? 16 : OPEN_FILES_MAX + 2)
  }

  #call(process) {
    const choice = this.#random.below(1000)
    if (choice < 880) return this.#ioctl(process)
    if (choice < 930) return process.read(this.#random.below(16), this.#pointer(), this.#length())
    if (choice < 980) return this.#write(process)
    return this.#other(process, choice)
  }

  #ioctl(process) {
    const number = hostileStruct(this.#bytes, this.#view, this.#random)
    if (number === IOMMU_IOAS_MAP_FILE) this.#avoidCycle(process)
    const address = this.#structAddress()
    try {
      process.poke(address, this.#bytes)
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
    }
    return process.ioctl(this.#descriptor(), number, address)
  }

  /** A context that maps a descriptor of its own holds itself for ever, in the kernel too. */
  #avoidCycle(process) {
    const file = process.files.find(this.#view.getInt32(MAP_FILE_FD_AT, true))
    if (file === undefined || file instanceof MemfdFile || file instanceof DmaBufFile) return
    this.#view.setInt32(MAP_FILE_FD_AT, -1, true)
  }

  /** Answers, mostly of cookies that there may be. */
  #write(process) {
    const address = this.#pointer()
    const answers = new Uint32Array(8)
    for (let i = 0; i < answers.length; i += 2) {
      answers[i] = this.#random.chance(0.9) ? 1 + this.#random.below(8) : this.#random.word()
      answers[i + 1] = this.#random.below(this.#random.chance(0.9) ? 2 : 4)
    }
    process.poke(MEMORY, new Uint8Array(answers.buffer))
    return process.write(this.#random.below(16), this.#random.chance(0.8) ? MEMORY : address, this.#length())
  }

  #other(process, choice) {
    const random = this.#random
    if (choice < 984) return process.close(1 + random.below(24))
    if (choice < 986) return process.dup(random.below(16))
    if (choice < 990) return process.poll(random.below(16))
    if (choice < 994) return this.#mapFile(process)
    if (choice < 996) return process.madvise(MEMORY + BigInt(random.below(PAGES)) * 4096n, 8 * 4096, 4)
    if (choice < 998) return this.#changeProtection(process)
    if (choice < 999) return process.ftruncate(random.below(16), random.below(16) * 2048)
    if (this.#child === undefined && random.chance(0.05)) this.#child = process.fork()
    return 0
  }

  #mapFile(process) {
    const random = this.#random
    const offset = random.below(8) * 4096
    const request = {
      length: (1 + random.below(4)) * 4096,
      prot: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED,
      offset,
    }
    const address = process.mmap({ ...request, fd: random.below(16) })
    if (random.chance(0.8)) process.munmap(address, request.length)
    return 0
  }

  #changeProtection(process) {
    const address = MEMORY + BigInt(STRUCT_PAGES + this.#random.below(PAGES - STRUCT_PAGES)) * 4096n
    process.mprotect(address, 4096, this.#random.of([0, PROT_READ, PROT_READ | PROT_WRITE]))
  }

  #structAddress() {
    if (this.#random.chance(0.02)) return HOLE - BigInt(this.#random.below(100))
    return MEMORY + BigInt(this.#random.below(STRUCT_PAGES * 4096 - STRUCT_BYTES_MAX))
  }

  #pointer() {
    if (this.#random.chance(0.05)) return HOLE - 64n + BigInt(this.#random.below(128))
    return MEMORY + BigInt(this.#random.below((PAGES + READ_ONLY_PAGES) * 4096))
  }

  #length() {
    const random = this.#random
    if (random.chance(0.02)) return BigInt(random.word()) << BigInt(random.below(33))
    return random.chance(0.9) ? random.of([0, 8, 16, 40, 80, 120, 400]) : random.below(5000)
  }
}
