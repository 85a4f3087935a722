import { describe, expect, it } from 'vitest'
import { blank, bodyOf, draftOf, isWhole, momentOf, newTier, wallTime, type Campaign } from './campaigns'

const kept = (terms: Campaign['terms'], more: Partial<Campaign> = {}): Campaign =>
  ({ campaign_id: 'c', title: '双十一', state: 'draft', phase: 'draft', starts_at: '2026-11-10T16:00:00Z', ends_at: null, priority: 3, stacking: 'best', audience: 'everyone', takes_coupons: true, ignores_floor: false, terms, version: 1, names: {}, ...more }) as Campaign

describe('a campaign in the editor', () => {
  it('comes out as it went in', () => {
    const timed = kept({ type: 'timed_price', cuts: [{ target: 'sku', target_id: 'a', price_fen: 990, pay_bps: null }, { target: 'category', target_id: 'b', price_fen: null, pay_bps: 8500 }] }, { ends_at: '2026-11-11T16:00:00Z', stacking: 'november' })
    expect(bodyOf(draftOf(timed))).toEqual({
      title: '双十一', starts_at: '2026-11-10T16:00:00.000Z', ends_at: '2026-11-11T16:00:00.000Z', priority: 3, stacking: 'november', audience: 'everyone', takes_coupons: true, ignores_floor: false, terms: timed.terms,
    })
    const scope = { category_ids: ['k'], product_ids: [], sku_ids: [], except_category_ids: [], except_product_ids: ['p'], except_sku_ids: [] }
    const tiers = [{ at: 10000, off_fen: 1000, pay_bps: null, gifts: [{ sku_id: 'g', quantity: 2 }] }, { at: 20000, off_fen: 0, pay_bps: 8000, gifts: [] }, { at: 30000, off_fen: 0, pay_bps: null, gifts: [{ sku_id: 'g', quantity: 1 }] }]
    const full = kept({ type: 'threshold', by: 'amount', repeats: false, tiers, scope } as Campaign['terms'])
    expect(bodyOf(draftOf(full)).terms).toEqual(full.terms)
  })
  it('repeats a single tier only', () => {
    const draft = { ...blank('2026-11-11 00:00'), kind: 'threshold' as const, repeats: true }
    expect(bodyOf(draft).terms).toMatchObject({ repeats: true })
    expect(bodyOf({ ...draft, tiers: [newTier(), newTier()] }).terms).toMatchObject({ repeats: false })
  })
  it('is whole when nothing is missing', () => {
    const draft = { ...blank('2026-11-11 00:00'), title: ' 满减 ', kind: 'threshold' as const, tiers: [{ ...newTier(), at: 100, value: 10 }] }
    expect(isWhole(draft)).toBe(true)
    expect(isWhole({ ...draft, title: ' ' })).toBe(false)
    expect(isWhole({ ...draft, stacking: 'own', group: 'A b' })).toBe(false)
    expect(isWhole({ ...draft, stacking: 'own', group: 'a_1' })).toBe(true)
    expect(isWhole({ ...draft, tiers: [{ ...newTier(), at: 100, way: 'gift' }] })).toBe(false)
    expect(isWhole({ ...draft, kind: 'timed_price' })).toBe(false)
    expect(isWhole({ ...draft, kind: 'timed_price', cuts: [{ target: 'sku', target_id: 'a', way: 'percent', value: 0 }] })).toBe(true)
  })
})

describe('the wall clock of the shop', () => {
  it('is told in its zone and back', () => {
    expect(wallTime('2026-11-10T16:00:00Z')).toBe('2026-11-11 00:00')
    expect(momentOf('2026-11-11 00:00')).toBe('2026-11-10T16:00:00.000Z')
    for (const zone of ['Asia/Shanghai', 'Europe/London', 'America/New_York', 'Pacific/Apia', 'Asia/Kathmandu'])
      for (const wall of ['2026-01-15 20:00', '2026-07-15 00:00', '2026-12-31 23:59']) expect(wallTime(momentOf(wall, zone), zone)).toBe(wall)
  })
  it('has an hour that is skipped, and one that comes twice', () => {
    expect(momentOf('2026-03-29 00:30', 'Europe/London')).toBe('2026-03-29T00:30:00.000Z')
    expect(momentOf('2026-03-29 02:30', 'Europe/London')).toBe('2026-03-29T01:30:00.000Z')
    expect(wallTime(momentOf('2026-10-25 01:30', 'Europe/London'), 'Europe/London')).toBe('2026-10-25 01:30')
  })
})
