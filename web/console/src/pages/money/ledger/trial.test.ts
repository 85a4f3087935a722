import { describe, expect, it } from 'vitest'
import { checksOf, debitsFirst, tablesOf } from './trial'

const line = (asset: string, debit: number, credit: number) => ({ book: 'sales' as const, name: '', asset, accounts: 1, debit, credit, held: 0 })
const total = (asset: string) => ({ asset, debit: 5, credit: 5, is_even: true })

describe('the trial balance', () => {
  it('is one table per asset, the shop\'s currency first and points last', () => {
    const trial = { lines: [line('CNY', 5, 0), line('CNY', 0, 5), line('POINT', 5, 0)], totals: [total('POINT'), total('USD'), total('CNY')] }
    const tables = tablesOf(trial, 'CNY')
    expect(tables.map((t) => [t.asset, t.lines.length])).toEqual([['CNY', 2], ['USD', 0], ['POINT', 1]])
    expect(tables[0]?.lines.reduce((sum, l) => sum + l.debit - l.credit, 0)).toBe(0)
  })
  it('writes debits above credits', () => {
    expect(debitsFirst([{ amount: -7 }, { amount: 5 }, { amount: -1 }, { amount: 3 }]).map((leg) => leg.amount)).toEqual([5, 3, -7, -1])
  })
})

it('shows broken domains first and counts their violations', () => {
  const check = (domain: string, violations: number) => ({ domain, name: 'x', state: violations ? ('broken' as const) : ('ok' as const), violations })
  expect(checksOf([check('ledger', 0), check('points', 2), check('ledger', 0), check('points', 1)]).map((d) => [d.domain, d.checks.length, d.violations])).toEqual([['points', 2, 3], ['ledger', 2, 0]])
})
