import { expect, it } from 'vitest'
import { changesOf } from './changes'

it('shows amounts as money and names a SKU by its last letters', () => {
  const sku = '01a20299-93c6-7816-9932-5fe9b7795564'
  expect(changesOf({ before: { [sku]: [9800, null, 7800] }, after: { [sku]: [9900, null, 7800] } }, 'CNY')).toEqual([
    { key: 'SKU b7795564', before: '¥98.00 / ¥78.00', after: '¥99.00 / ¥78.00' },
  ])
})
it('leaves counts and words as they are', () => {
  expect(changesOf({ before: { on_hand: 5 }, after: { on_hand: 0, reason: '盘点' } }, 'CNY')).toEqual([
    { key: 'on_hand', before: '5', after: '0' },
    { key: 'reason', before: '', after: '盘点' },
  ])
  expect(changesOf({}, 'CNY')).toEqual([])
})
