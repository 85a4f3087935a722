// What a day of reconciliation looks like, and what may be said of a difference.
import type { Answer, Body, Item } from '@/api/types'
import type { Theme } from '@/components/states'

export type Day = Item<'/admin/v1/reconciliation/days'>
export type Ticket = Item<'/admin/v1/reconciliation/tickets'>
export type ThreeWay = Answer<'/admin/v1/reconciliation/days/{on}'>['three_way'][number]
export type Resolution = Body<'/admin/v1/reconciliation/tickets/{ticket_id}/resolve'>['resolution']

/** Closed is good; open waits for somebody; waiting is calm until fetching the bills has failed. */
export const themeOfDay = (day: Pick<Day, 'state' | 'problem'>): Theme =>
  day.state === 'closed' ? 'success' : day.state === 'open' || day.problem ? 'warning' : 'default'

/** Whether all who speak of a kind of business say the same; null: our domains do not know that kind. */
export const agrees = (row: Pick<ThreeWay, 'theirs_fen' | 'domain_fen' | 'ledger_fen'>): boolean =>
  row.theirs_fen === row.ledger_fen && (row.domain_fen === null || row.domain_fen === undefined || row.domain_fen === row.theirs_fen)

/** The three columns, each summed; domains count only where they speak. */
export function sumsOf(rows: ThreeWay[]): { lines: number; theirs: number; ledger: number } {
  const sum = (of: (row: ThreeWay) => number): number => rows.reduce((all, row) => all + of(row), 0)
  return { lines: sum((r) => r.lines), theirs: sum((r) => r.theirs_fen), ledger: sum((r) => r.ledger_fen) }
}

/** What stands in suspense must go somewhere; what does not is only explained. */
export const resolutionsOf = (ticket: Pick<Ticket, 'state' | 'unmatched_fen'>): Resolution[] =>
  ticket.state !== 'open' ? [] : ticket.unmatched_fen ? ['written_off', 'outside'] : ['explained']
