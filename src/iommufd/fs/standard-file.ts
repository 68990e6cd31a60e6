// SPDX-License-Identifier: MIT
import { type FdTable, OpenFile } from '../files.ts'

/** What a process finds open at its start. Nobody is at the other end. */
export class StandardFile extends OpenFile {
  /** Takes the numbers 0, 1 and 2 of an empty table. */
  static openIn(files: FdTable): void {
    const file = new StandardFile('/dev/console')
    for (let fd = 0; fd < 3; fd++) files.open(file)
    file.put()
  }

  protected override release(): void {}
}
