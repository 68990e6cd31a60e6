// SPDX-License-Identifier: MIT
/** Writes protocol buffer messages into one growing buffer. Field numbers are below 2^28. */
export class ProtobufWriter {
  length = 0
  #bytes: Uint8Array = new Uint8Array(4096)

  /** A copy of what was written; the writer is empty then. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.length)
    this.length = 0
    return bytes
  }

  /** Unsigned: a whole number, 0 … 2^53-1. */
  varint(field: number, value: number): void {
    this.#raw(field * 8)
    this.#raw(value)
  }

  /** int64: negative values take ten bytes. */
  int(field: number, value: number): void {
    if (value >= 0) return this.varint(field, value)
    this.#raw(field * 8)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 127n; rest >>= 7n) this.#byte(Number(rest & 127n) | 128)
    this.#byte(Number(rest))
  }

  fixed64(field: number, value: number): void {
    this.#raw(field * 8 + 1)
    let rest = value
    for (let i = 0; i < 8; i++) {
      this.#byte(rest % 256)
      rest = Math.floor(rest / 256)
    }
  }

  /** As UTF-8; a lone surrogate becomes U+FFFD. */
  string(field: number, text: string): void {
    const start = this.begin(field)
    for (const character of text) this.#utf8(character.codePointAt(0)!)
    this.end(start)
  }

  /** Opens a message inside; give the result to `end`. */
  begin(field: number): number {
    this.#raw(field * 8 + 2)
    this.#byte(0)
    return this.length
  }

  end(start: number): void {
    const size = this.length - start
    const extra = sizeOf(size) - 1
    for (let i = 0; i < extra; i++) this.#byte(0)
    this.#bytes.copyWithin(start + extra, start, start + size)
    this.length = start - 1
    this.#raw(size)
    this.length += size
  }

  #utf8(point: number): void {
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point
    if (code < 0x80) return this.#byte(code)
    if (code < 0x800) this.#byte(0xc0 | (code >> 6))
    else if (code < 0x10000) this.#byte(0xe0 | (code >> 12))
    else this.#byte(0xf0 | (code >> 18))
    if (code >= 0x10000) this.#byte(0x80 | ((code >> 12) & 63))
    if (code >= 0x800) this.#byte(0x80 | ((code >> 6) & 63))
    this.#byte(0x80 | (code & 63))
  }

  #raw(value: number): void {
    let rest = value
    while (rest > 127) {
      this.#byte((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.#byte(rest)
  }

  #byte(byte: number): void {
    if (this.length === this.#bytes.length) {
      const grown = new Uint8Array(this.length * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.length++] = byte
  }
}

/** Bytes of a varint. */
function sizeOf(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}
