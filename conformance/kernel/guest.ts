// SPDX-License-Identifier: MIT
/** The reference kernel under QEMU with the replayer in it. */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CpioEntry, encodeCpio } from './cpio.ts'
import { Replayer } from './replayer.ts'

export interface GuestOptions {
  readonly qemu: string
  readonly vmlinux: string
  /** Static binaries of `init.c` and `replay.c`. */
  readonly init: string
  readonly replay: string
  /** Where iommufd is a module: it, the one of `queues.c`, and the static binary of `unload.c`. */
  readonly modules?: Readonly<Record<'iommufd' | 'queues' | 'unload', string>> | undefined
  /** Pages of 2 MiB to reserve. */
  readonly hugePages: number
}

export interface CoverageFile {
  /** As under debugfs `gcov/`. */
  readonly path: string
  readonly bytes: Uint8Array
}

export class Guest extends Replayer {
  readonly #folder: string

  constructor(options: GuestOptions) {
    const folder = mkdtempSync(join(tmpdir(), 'iopf-guest-'))
    writeFileSync(join(folder, 'initrd'), initialFiles(options))
    closeSync(openSync(consoleIn(folder), 'w'))
    super('QEMU', spawn(options.qemu, argumentsFor(options, folder), { stdio: ['pipe', 'pipe', 'pipe'] }))
    this.#folder = folder
  }

  /** What gcov has counted since the start. */
  async coverage(): Promise<CoverageFile[]> {
    this.send('G', new Uint8Array())
    const files: CoverageFile[] = []
    for (let message = await this.next(); message.type === 'F'; message = await this.next()) {
      const end = message.payload.indexOf(0)
      files.push({ path: message.payload.toString('utf8', 0, end), bytes: message.payload.subarray(end + 1) })
    }
    return files
  }

  /** What the kernel said so far. */
  override log(): string {
    return readFileSync(consoleIn(this.#folder), 'utf8').replaceAll('\r', '')
  }

  override async close(): Promise<void> {
    await super.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function consoleIn(folder: string): string {
  return join(folder, 'console')
}

function argumentsFor({ vmlinux, hugePages }: GuestOptions, folder: string): string[] {
  const memory = hugePages > 0 ? 1024 + 2 * hugePages : 768
  const append = `console=ttyS0 loglevel=5 panic=-1 nokaslr norandmaps mitigations=off no_timer_check tsc=reliable random.trust_cpu=on hugepages=${hugePages}`
  const machine = `-M q35 -accel tcg -cpu max,la57=off -m ${memory}M -smp 1 -display none -no-reboot -nodefaults`
  const port =
    '-device virtio-serial-pci -chardev stdio,id=port,signal=off -device virtserialport,chardev=port'
  const files = ['-kernel', vmlinux, '-initrd', join(folder, 'initrd'), '-append', append]
  const console = ['-chardev', `file,id=console,path=${consoleIn(folder)}`, '-serial', 'chardev:console']
  return [...machine.split(' '), ...port.split(' '), ...files, ...console]
}

const DIRECTORY = 0o040755
const PROGRAM = 0o100755
const CHARACTERS = 0o020600

function initialFiles({ init, replay, modules }: GuestOptions): Buffer {
  const more =
    modules === undefined
      ? []
      : [
          fileOf('iommufd.ko', modules.iommufd),
          fileOf('queues.ko', modules.queues),
          fileOf('unload', modules.unload),
        ]
  return encodeCpio([
    { path: 'dev', mode: DIRECTORY },
    { path: 'dev/console', mode: CHARACTERS, device: [5, 1] },
    fileOf('init', init),
    fileOf('replay', replay),
    ...more,
  ])
}

function fileOf(path: string, source: string): CpioEntry {
  return { path, mode: PROGRAM, bytes: readFileSync(source) }
}
