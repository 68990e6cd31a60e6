// SPDX-License-Identifier: MIT
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LATENCY_DEFAULTS } from '../../scenario/latencies.ts'
import { scenarioJsonSchema, scenarioJsonSchemaText } from './schema.ts'

describe('schema/scenario.json', () => {
  it('is what the schema says; next where it is not: npm run generate', () => {
    expect(readFileSync('schema/scenario.json', 'utf8')).toBe(scenarioJsonSchemaText())
  })

  it('describes every hop with where its default comes from', () => {
    const latencies = Reflect.get(Reflect.get(scenarioJsonSchema(), 'properties'), 'latencies')
    for (const [hop, { source }] of Object.entries(LATENCY_DEFAULTS)) {
      expect(Reflect.get(latencies.properties, hop).description).toContain(source)
    }
  })

  it('refuses unknown keys at every level', () => {
    const objects: object[] = []
    const collect = (part: unknown): void => {
      if (typeof part !== 'object' || part === null) return
      if (Reflect.get(part, 'type') === 'object') objects.push(part)
      for (const child of Object.values(part)) collect(child)
    }
    collect(scenarioJsonSchema())
    expect(objects.length).toBeGreaterThan(15)
    expect(objects.filter((part) => Reflect.get(part, 'additionalProperties') !== false)).toEqual([])
  })

  it('is named on top of every example', () => {
    const examples = existsSync('examples')
      ? readdirSync('examples').filter((name) => name.endsWith('.yaml'))
      : []
    for (const name of examples) {
      const [first] = readFileSync(`examples/${name}`, 'utf8').split('\n')
      expect(first).toBe('# yaml-language-server: $schema=../schema/scenario.json')
    }
  })
})
