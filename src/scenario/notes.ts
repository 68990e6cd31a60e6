// SPDX-License-Identifier: MIT
const NOTES_MAX = 40

/** What happened out of the ordinary, one sentence each; a bound, and a last line that says so. */
export class Notes {
  readonly lines: string[]
  #dropped: boolean

  constructor() {
    this.lines = []
    this.#dropped = false
  }

  add(line: string): void {
    if (this.lines.length < NOTES_MAX) this.lines.push(line)
    else if (!this.#dropped) {
      this.#dropped = true
      this.lines.push('more happened than is told here')
    }
  }
}
