import { describe, expect, it } from 'vitest'
import { agrees, resolutionsOf, sumsOf, themeOfDay } from './days'

const row = (theirs_fen: number, domain_fen: number | null, ledger_fen: number) => ({ kind: 'payment' as const, lines: 2, theirs_fen, domain_fen, ledger_fen })

describe('a day', () => {
  it('agrees when WeChat, the domains and the ledger say the same', () => {
    expect(agrees(row(100, 100, 100))).toBe(true)
    expect(agrees(row(-60, null, -60))).toBe(true)
    expect(agrees(row(100, 99, 100))).toBe(false)
    expect(agrees(row(100, 100, 0))).toBe(false)
  })
  it('adds up what each says', () => {
    expect(sumsOf([row(100, 100, 100), row(-60, null, -60)])).toEqual({ lines: 4, theirs: 40, ledger: 40 })
  })
  it('warns when bills do not come', () => {
    expect(themeOfDay({ state: 'closed', problem: null })).toBe('success')
    expect(themeOfDay({ state: 'waiting', problem: null })).toBe('default')
    expect(themeOfDay({ state: 'waiting', problem: 'NO_STATEMENT' })).toBe('warning')
  })
})
it('asks where money in suspense goes, and only then', () => {
  expect(resolutionsOf({ state: 'open', unmatched_fen: -5 })).toEqual(['written_off', 'outside'])
  expect(resolutionsOf({ state: 'open', unmatched_fen: 0 })).toEqual(['explained'])
  expect(resolutionsOf({ state: 'resolved', unmatched_fen: 0 })).toEqual([])
})
