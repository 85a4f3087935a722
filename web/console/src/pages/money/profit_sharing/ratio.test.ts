import { describe, expect, it } from 'vitest'
import { capOf, highestBps, isWhole, type RuleDraft } from './ratio'

const rule = (scope: 'product' | 'promoter' | 'leader', share_bps: number, more: { way?: 'split' | 'balance'; product_id?: string; level?: number } = {}) =>
  ({ scope, share_bps, way: more.way ?? ('split' as const), product_id: more.product_id ?? null, level: more.level ?? null })

describe('what rules share at most', () => {
  it('is the dearest product beside what every order gives', () => {
    const rules = [rule('leader', 500), rule('promoter', 1000, { level: 1 }), rule('promoter', 300, { level: 2 }), rule('product', 700, { product_id: 'a' }), rule('product', 400, { product_id: 'b' }), rule('product', 400, { product_id: 'b' })]
    expect(highestBps(rules)).toBe(2600)
    expect(highestBps([])).toBe(0)
  })
  it('is over the cap by way, or over the whole order', () => {
    const settings = { max_ratio_bps: 3000, fee_bps: 60 }
    expect(capOf([rule('leader', 3000)], settings)).toEqual({ split: 3000, all: 3000, isOver: false })
    expect(capOf([rule('leader', 3001)], settings).isOver).toBe(true)
    expect(capOf([rule('leader', 8000, { way: 'balance' })], settings)).toEqual({ split: 0, all: 8000, isOver: false })
    expect(capOf([rule('leader', 9941, { way: 'balance' })], settings).isOver).toBe(true)
  })
})
it('knows a whole draft', () => {
  const draft: RuleDraft = { title: '团长', scope: 'leader', share_bps: 8000, way: 'balance', trigger: 'receipt', receiver_id: 'r' }
  expect(isWhole(draft)).toBe(true)
  expect(isWhole({ ...draft, title: ' ' })).toBe(false)
  expect(isWhole({ ...draft, receiver_id: null })).toBe(false)
  expect(isWhole({ ...draft, scope: 'promoter', receiver_id: null })).toBe(false)
  expect(isWhole({ ...draft, scope: 'promoter', level: 2, receiver_id: null })).toBe(true)
  expect(isWhole({ ...draft, scope: 'product' })).toBe(false)
  expect(isWhole({ ...draft, trigger: 'days' })).toBe(false)
  expect(isWhole({ ...draft, trigger: 'days', after_days: 0 })).toBe(true)
})
