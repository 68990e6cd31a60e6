// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PageSource } from '../../handlers/page-source.ts'
import { CliError, EXIT_HOST, EXIT_INPUT, EXIT_USAGE } from '../exit.ts'
import { openDestination } from './destination.ts'
import { digestOf } from './digest.ts'
import { FileSource } from './file-source.ts'
import { generatedSource } from './generated-source.ts'
import { OutputFile, removeUnfinishedFiles } from './output-file.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-files-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const complain = (got: string, expected: string): CliError =>
  new CliError(EXIT_INPUT, `got ${got}, expected ${expected}`)

function written(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

function failureOf(run: () => unknown): CliError {
  try {
    run()
  } catch (error) {
    if (error instanceof CliError) return error
    throw error
  }
  throw new Error('accepted')
}

const page = (source: PageSource, index: number): Uint8Array => {
  const into = new Uint8Array(3 * 4096).fill(0xee)
  source.readPage(index, into, 4096)
  expect([into[4095], into[8192]]).toEqual([0xee, 0xee])
  return into.slice(4096, 8192)
}

describe('a file as page source', () => {
  it.each([0, 1, 4095, 4096, 4097, 10_000])('of %i bytes gives its pages, zero padded', (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => (index % 251) + 1)
    const source = new FileSource(written('in', bytes), complain)
    expect(source.lengthBytes).toBe(length)
    for (let index = 0; index <= Math.ceil(length / 4096); index++) {
      const expected = new Uint8Array(4096)
      expected.set(bytes.subarray(index * 4096, (index + 1) * 4096))
      expect(page(source, index)).toEqual(expected)
    }
    source.close()
  })

  it('gives the same pages whether they are asked for in order or not', () => {
    const bytes = Uint8Array.from(
      { length: 100 * 4096 - 7 },
      (_, index) => (index * 7 + (index >> 12)) & 0xff,
    )
    const source = new FileSource(written('in', bytes), complain)
    const order = [...Array(100).keys(), ...Array(100).keys()].map((index, at) =>
      at < 100 ? index : (index * 37) % 100,
    )
    for (const index of order) {
      const expected = new Uint8Array(4096)
      expected.set(bytes.subarray(index * 4096, (index + 1) * 4096))
      expect(Buffer.compare(page(source, index), expected)).toBe(0)
    }
    source.close()
  })

  it('may be sparse and long', () => {
    const path = written('sparse', 'begin')
    truncateSync(path, 2 ** 40)
    const source = new FileSource(path, complain)
    expect(source.lengthBytes).toBe(2 ** 40)
    expect(page(source, 2 ** 28 - 1)).toEqual(new Uint8Array(4096))
    source.close()
  })

  it('may be a link', () => {
    symlinkSync(written('in', 'abc'), join(folder, 'link'))
    const source = new FileSource(join(folder, 'link'), complain)
    expect(source.lengthBytes).toBe(3)
    expect(source.isSameFile(join(folder, 'in'))).toBe(true)
    source.close()
  })

  it.each([
    ['missing', (path: string) => path, 'there is no such file'],
    ['a directory', mkdirSync, 'a directory'],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'a FIFO'],
    ['a link to itself', (path: string) => symlinkSync(path, path), 'too many symbolic links'],
  ])('that is %s is refused at once', (_what, make, why) => {
    const path = join(folder, 'x')
    make(path)
    const { message, exitCode } = failureOf(() => new FileSource(path, complain))
    expect(message).toContain(`got ${JSON.stringify(path)}`)
    expect(message).toContain(why)
    expect(message).toContain('expected an ordinary file that can be read')
    expect(exitCode).toBe(EXIT_INPUT)
  })

  it.each([
    ['/dev/zero', 'a character device'],
    ['/proc/self/status', 'says 0 bytes but has more'],
    ['/etc/hostname/x', 'a part of the path is not a directory'],
  ])('%s is refused: %s', (path, why) => {
    expect(failureOf(() => new FileSource(path, complain)).message).toContain(why)
  })

  it('that is a socket is refused', async () => {
    const path = join(folder, 'socket')
    const server = createServer().listen(path)
    await new Promise((resolve) => {
      server.once('listening', resolve)
    })
    expect(failureOf(() => new FileSource(path, complain)).message).toContain('a socket')
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })

  it.runIf(process.getuid?.() !== 0)('that may not be read is refused', () => {
    const path = written('secret', 'x')
    chmodSync(path, 0)
    expect(failureOf(() => new FileSource(path, complain)).message).toContain('permission denied')
  })

  it('that changes meanwhile proves nothing', () => {
    const path = written('in', 'abc')
    const source = new FileSource(path, complain)
    source.assertUnchanged()
    writeFileSync(path, 'abcd')
    expect(failureOf(() => source.assertUnchanged()).message).toContain(
      'the file changed while it was copied',
    )
    source.close()
  })
})

describe('generated bytes', () => {
  it('of a pattern differ from page to page and end where they should', () => {
    const source = generatedSource('pattern', 3 * 4096 + 5)
    const pages = [0, 1, 2, 3].map((index) => Buffer.from(page(source, index)).toString('hex'))
    expect(new Set(pages).size).toBe(4)
    expect(pages[3]!.slice(10)).toBe('00'.repeat(4091))
    expect(pages[3]!.slice(0, 10)).not.toContain('00'.repeat(5))
  })

  it('may be zeros', () => {
    expect(page(generatedSource('zeros', 100), 0)).toEqual(new Uint8Array(4096))
  })
})

describe('a digest', () => {
  it.each([0, 1, 4095, 4096, 4097, 2 ** 20, 2 ** 20 + 1])(
    'of %i bytes is that of node:crypto',
    async (length) => {
      const bytes = Uint8Array.from({ length }, (_, index) => index % 253)
      const source = new FileSource(written('in', bytes), complain)
      expect(await digestOf(source, () => Promise.resolve(true))).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      )
      source.close()
    },
  )

  it('can be given up', async () => {
    expect(await digestOf(generatedSource('zeros', 2 ** 20), () => Promise.resolve(false))).toBeUndefined()
  })
})

describe('a destination', () => {
  it('without a name leaves nothing behind and drops what lies behind its end', () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith(`iopf-${process.pid}-`))
    const destination = openDestination(undefined, 4097, false)
    destination.writePage(1, new Uint8Array(8192).fill(7), 4096)
    destination.writePage(0, new Uint8Array(4096).fill(5), 0)
    expect(page(destination, 0)).toEqual(new Uint8Array(4096).fill(5))
    expect(page(destination, 1)).toEqual(
      Uint8Array.from({ length: 4096 }, (_, index) => (index === 0 ? 7 : 0)),
    )
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`iopf-${process.pid}-`))).toEqual(before)
    destination.commit()
  })

  it('gives back what was written last, also where it was read ahead', () => {
    const destination = openDestination(undefined, 50 * 4096, false)
    const write = (index: number, value: number): void =>
      destination.writePage(index, new Uint8Array(4096).fill(value), 0)
    for (let index = 0; index < 50; index += 2) write(index, index + 1)
    const read = (): number[] => Array.from({ length: 50 }, (_, index) => page(destination, index)[4095]!)
    expect(read()).toEqual(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? index + 1 : 0)))
    page(destination, 9)
    page(destination, 10)
    write(11, 99)
    write(12, 98)
    expect([11, 12, 13, 14].map((index) => page(destination, index)[0])).toEqual([99, 98, 0, 15])
    destination.abort()
  })

  it('appears under its name only when it is complete', () => {
    const path = join(folder, 'out')
    const destination = openDestination(path, 3, false)
    destination.writePage(0, new Uint8Array(4096).fill(65), 0)
    expect(existsSync(path)).toBe(false)
    destination.commit()
    expect(readFileSync(path, 'utf8')).toBe('AAA')
    expect(readdirSync(folder)).toEqual(['out'])
  })

  it('leaves nothing where it is given up', () => {
    openDestination(join(folder, 'out'), 3, false).abort()
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a written file', () => {
  it('does not replace one that exists, unless forced', () => {
    const path = written('out', 'old')
    const error = failureOf(() => new OutputFile(path, false))
    expect(error.message).toBe(`${path}: the file exists; next: choose another name, or add --force`)
    expect(error.exitCode).toBe(EXIT_USAGE)
    const file = new OutputFile(path, true)
    file.write('new')
    expect(readFileSync(path, 'utf8')).toBe('old')
    file.commit()
    expect(readFileSync(path, 'utf8')).toBe('new')
  })

  it('does not replace one that appeared meanwhile', () => {
    const path = join(folder, 'out')
    const file = new OutputFile(path, false)
    file.write('mine')
    writeFileSync(path, 'theirs')
    expect(failureOf(() => file.commit()).message).toContain('the file exists')
    expect(readFileSync(path, 'utf8')).toBe('theirs')
    expect(readdirSync(folder)).toEqual(['out'])
  })

  it('may be a device, which is written in place', () => {
    const file = new OutputFile('/dev/null', false)
    file.write('x')
    file.commit()
    expect(existsSync('/dev/null')).toBe(true)
  })

  it('cannot be a directory, nor stand in one that is not there', () => {
    expect(failureOf(() => new OutputFile(folder, true)).exitCode).toBe(EXIT_USAGE)
    const error = failureOf(() => new OutputFile(join(folder, 'no', 'out'), false))
    expect(error.exitCode).toBe(EXIT_HOST)
    expect(error.message).toContain('there is no such file')
  })

  it('cannot stand below a file', () => {
    const error = failureOf(() => new OutputFile(join(written('plain', 'x'), 'out'), false))
    expect([error.exitCode, error.message.includes('not a directory')]).toEqual([EXIT_HOST, true])
  })

  it('that is unfinished can be removed in a hurry', () => {
    new OutputFile(join(folder, 'out'), false).write('x')
    removeUnfinishedFiles()
    expect(readdirSync(folder)).toEqual([])
  })
})
