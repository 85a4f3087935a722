import { expect, it } from 'vitest'
import { decisionsOf, isCard, waysOf } from './ways'

it('offers for a refund what its state allows', () => {
  expect(waysOf('abnormal', 'ABNORMAL')).toEqual(['apply-abnormal', 'retry', 'settle-outside'])
  expect(waysOf('failed', null)).toContain('give-up')
  expect(waysOf('counter', null)).toEqual(['settle-outside', 'give-up'])
  expect(waysOf('abnormal', 'AT_MERCHANT')).toEqual(['settle-outside'])
  for (const state of ['waiting', 'created', 'processing', 'succeeded', 'settled', 'closed'] as const) expect(waysOf(state, null)).toEqual([])
})
it('knows a card when it sees one', () => {
  expect(isCard({ real_name: '许清和', bank_type: 'ICBC_DEBIT', bank_account: '6222020000001234' })).toBe(true)
  expect(isCard({ real_name: '许清和', bank_type: 'icbc', bank_account: '6222020000001234' })).toBe(false)
  expect(isCard({ real_name: ' ', bank_type: 'ICBC_DEBIT', bank_account: '6222020000001234' })).toBe(false)
  expect(isCard({ real_name: '许', bank_type: 'ICBC_DEBIT', bank_account: '6222' })).toBe(false)
})
it('never sends back what WeChat will not', () => {
  expect(decisionsOf({ state: 'parked', ticket: 'too_old' })).toEqual(['accept'])
  expect(decisionsOf({ state: 'parked', ticket: 'foreign_account' })).toEqual(['dismiss'])
  expect(decisionsOf({ state: 'parked', ticket: 'unknown_number' })).toEqual(['refund', 'accept'])
  expect(decisionsOf({ state: 'refunding', ticket: null })).toEqual([])
})
