// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'

describe('campaign', () => {
  it('holds over the first 300 seeds', async () => {
    const { cases, failures, pageRequests } = await runCampaign(1, 300)
    expect(failures.map(({ seed, violations }) => `seed ${seed}: ${violations.join('; ')}`)).toEqual([])
    expect(cases).toBe(300)
    expect(pageRequests).toBeGreaterThan(1000)
  })
})
