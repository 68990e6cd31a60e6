// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs'

/** Version of the package that this file was installed with. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const found =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : undefined
  return String(found)
}
