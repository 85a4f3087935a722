// What the after-sale desk says about a case.
import type { Answer, Item } from '@/api/types'

export type Case = Answer<'/admin/v1/after-sale/{case_id}'>
export type Row = Item<'/admin/v1/after-sale'>
export type State = Row['state']

/** Those that wait for somebody, in the order a case goes; then the ends. */
export const OPEN: State[] = ['requested', 'approved', 'returning', 'received', 'refunding', 'exchanging']
export const ENDS: State[] = ['refunded', 'completed', 'rejected', 'withdrawn', 'expired']

export interface Due {
  unit: 'minutes' | 'hours' | 'days'
  n: number
  isOver: boolean
}

/** How long until a deadline, or since it: days from two on, hours from one on, else minutes. */
export function dueIn(due_at: string, now = Date.now()): Due {
  const minutes = Math.floor(Math.abs(Date.parse(due_at) - now) / 60_000)
  const isOver = Date.parse(due_at) <= now
  if (minutes >= 48 * 60) return { unit: 'days', n: Math.floor(minutes / 1440), isOver }
  return minutes >= 60 ? { unit: 'hours', n: Math.floor(minutes / 60), isOver } : { unit: 'minutes', n: minutes, isOver }
}

/** The dialogs behind the actions that the server offers; receiving is one dialog with three answers. */
export type Asked = 'approve' | 'reject' | 'receive' | 'refund' | 'ship_exchange'
export function dialogsOf(actions: Case['actions']): Asked[] {
  const found = actions.map((action) => (action === 'pass' || action === 'fail' ? 'receive' : action))
  return [...new Set(found)].filter((one): one is Asked => ['approve', 'reject', 'receive', 'refund', 'ship_exchange'].includes(one))
}

/** Less than was asked for wants a word to the customer, as the server will say. */
export const needsWord = (amount_fen: number | null, asked_fen: number): boolean => amount_fen !== null && amount_fen < asked_fen
