import { describe, expect, it } from 'vitest'
import { combine, type SkuDraft } from './options'

const empty = (): SkuDraft => ({
  sku_id: null, option_values: [], sku_code: null, price_fen: null, market_price_fen: null, member_price_fen: null, floor_fen: null, weight_g: 0, image_url: null, stock: 0,
})
const sku = (option_values: string[], price_fen: number): SkuDraft => ({ ...empty(), sku_id: option_values.join(), option_values, price_fen })

describe('combine', () => {
  it('gives a product without options its one SKU', () => {
    expect(combine([], [], empty)).toEqual([empty()])
    expect(combine([{ name: '  ', values: ['x'] }, { name: '口味', values: [] }], [], empty)).toHaveLength(1)
  })
  it('lists every combination in order', () => {
    const grid = combine([{ name: '重量', values: ['50g', '100g'] }, { name: '包装', values: ['罐', '袋'] }], [], empty)
    expect(grid.map((s) => s.option_values.join('/'))).toEqual(['50g/罐', '50g/袋', '100g/罐', '100g/袋'])
  })
  it('keeps known SKUs and lends their prices to new ones, but never their identity', () => {
    const known = [sku(['50g'], 4800), sku(['100g'], 8800)]
    const [small, , large] = combine([{ name: '重量', values: ['50g', '75g', '100g'] }], known, empty)
    expect([small, large]).toEqual(known)
    const wider = combine([{ name: '重量', values: ['100g'] }, { name: '包装', values: ['罐'] }], known, empty)
    expect(wider).toEqual([{ ...empty(), option_values: ['100g', '罐'], price_fen: 8800 }])
  })
})
