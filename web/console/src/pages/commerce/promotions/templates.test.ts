import { describe, expect, it } from 'vitest'
import { PROVINCES, blank, bodyOf, draftOf, isWhole, type Template } from './templates'

describe('a shipping template in the editor', () => {
  const rate = { first_fen: 800, first_units: 1000, next_fen: 150, next_units: 500, free_from_fen: 9900, free_from_pieces: null }
  const kept: Template = {
    template_id: 't', name: '快递', version: 2, is_default: true, product_count: 0,
    plan: { charge_by: 'weight', otherwise: rate, areas: [{ regions: [{ province: '广东省', city: '深圳市' }, { province: '广西', city: '' }], rate: null }] },
  }
  it('comes out as it went in', () => expect(bodyOf(draftOf(kept))).toEqual({ name: '快递', plan: kept.plan }))
  it('knows all 34 provinces', () => expect(new Set(PROVINCES).size).toBe(34))
  it('is whole when nothing is missing', () => {
    const draft = { ...blank(), name: '快递' }
    expect(isWhole(draft)).toBe(false)
    draft.otherwise.first_fen = 0
    expect(isWhole(draft)).toBe(true)
    expect(isWhole({ ...draft, areas: [{ regions: [], rate: draft.otherwise }] })).toBe(false)
    expect(isWhole({ ...draft, otherwise: { ...draft.otherwise, sent: false, first_fen: null } })).toBe(true)
  })
})
