// A batch of coupons as staff think of it, and as the API takes it.
import type { Body, Item } from '@/api/types'
import { dayStart, money, percent } from '@/format'
import { i18n } from '@/locales'

export type Batch = Omit<Item<'/admin/v1/coupons'>, 'used_count'>
export type BatchBody = Body<'/admin/v1/coupons'>
export type Issue = Batch['issue']
export type State = Batch['state']

export const ISSUES: Issue[] = ['centre', 'code', 'newcomer', 'first_order', 'birthday', 'staff']
export const STATES: State[] = ['running', 'draft', 'paused', 'ended']
/** Who may be asked for a phone number, and whose device counts. */
export const ASKS_PHONE: Issue[] = ['centre', 'code', 'newcomer', 'first_order']
export const COUNTS_DEVICES: Issue[] = ['centre', 'code']

export interface Draft {
  name: string
  note: string
  kind: 'fixed' | 'percent' | 'exchange'
  off_fen: number | null
  /** What is taken off, in basis points; the API asks for what is left to pay. */
  off_bps: number | null
  cap_fen: number | null
  pieces: number
  from_fen: number | null
  scope: 'all' | 'categories' | 'products' | 'skus'
  scope_ids: string[]
  group: string
  full_price_only: boolean
  issue: Issue
  code: string
  days: string[]
  valid_days: number | null
  needs_phone: boolean
  returns: boolean
  return_days: number
  total_count: number | null
  per_member: number
  per_device: number | null
  budget_fen: number | null
}

const EVERYTHING = { category_ids: [], product_ids: [], sku_ids: [], except_category_ids: [], except_product_ids: [], except_sku_ids: [] }
const IDS = { categories: 'category_ids', products: 'product_ids', skus: 'sku_ids' } as const

export const blank = (days: string[]): Draft => ({
  name: '', note: '', kind: 'fixed', off_fen: null, off_bps: null, cap_fen: null, pieces: 1, from_fen: null, scope: 'all', scope_ids: [], group: 'coupon', full_price_only: false,
  issue: 'centre', code: '', days, valid_days: null, needs_phone: false, returns: true, return_days: 0, total_count: null, per_member: 1, per_device: null, budget_fen: null,
})

/** The days of a batch are whole ones in the shop's time zone, the last included. */
export const dayOf = (at: string, timeZone: string | undefined, minus = 0): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(new Date(at).getTime() - minus))

export function draftOf(batch: Batch, timeZone?: string): Draft {
  const { gives } = batch
  const scope = (Object.keys(IDS) as (keyof typeof IDS)[]).find((kind) => batch.scope[IDS[kind]]?.length) ?? 'all'
  return {
    ...blank([dayOf(batch.starts_at, timeZone), dayOf(batch.ends_at, timeZone, 1)]), name: batch.name, note: batch.note, kind: gives.type,
    off_fen: gives.type === 'fixed' ? gives.off_fen : null, off_bps: gives.type === 'percent' ? 10_000 - gives.pay_bps : null, cap_fen: (gives.type === 'percent' && gives.cap_fen) || null,
    pieces: (gives.type === 'exchange' && gives.pieces) || 1, from_fen: batch.from_fen || null, scope, scope_ids: scope === 'all' ? [] : [...(batch.scope[IDS[scope]] ?? [])],
    group: batch.group, full_price_only: batch.full_price_only, issue: batch.issue, code: batch.code ?? '', valid_days: batch.valid_days ?? null, needs_phone: batch.needs_phone,
    returns: batch.return_days !== null, return_days: batch.return_days ?? 0, total_count: batch.total_count ?? null, per_member: batch.per_member, per_device: batch.per_device ?? null, budget_fen: batch.budget_fen ?? null,
  }
}

/** Only the fields that the kind, the scope and the way of giving have. A published batch keeps its first moment. */
export function bodyOf(d: Draft, timeZone?: string, startsAt?: string, endsAt?: string): BatchBody {
  const gives = d.kind === 'fixed' ? { type: 'fixed' as const, off_fen: d.off_fen ?? 0 } : d.kind === 'percent' ? { type: 'percent' as const, pay_bps: 10_000 - (d.off_bps ?? 0), cap_fen: d.cap_fen } : { type: 'exchange' as const, pieces: d.pieces, pay_fen: 0 }
  return {
    name: d.name.trim(), note: d.note.trim(), gives, from_fen: d.from_fen ?? 0, scope: d.scope === 'all' ? EVERYTHING : { ...EVERYTHING, [IDS[d.scope]]: d.scope_ids }, group: d.group, full_price_only: d.full_price_only,
    issue: d.issue, code: d.issue === 'code' ? d.code.trim() : null, starts_at: startsAt ?? dayStart(d.days[0]!, timeZone), ends_at: endsAt ?? dayStart(d.days[1]!, timeZone, 1), valid_days: d.valid_days,
    needs_phone: d.needs_phone && ASKS_PHONE.includes(d.issue), return_days: d.returns ? d.return_days : null, total_count: d.total_count, per_member: d.per_member,
    per_device: COUNTS_DEVICES.includes(d.issue) ? d.per_device : null, budget_fen: d.budget_fen,
  }
}

export const isWhole = (d: Draft): boolean =>
  !!d.name.trim() && d.days.length === 2 && d.per_member > 0 && (d.kind !== 'fixed' || !!d.off_fen) && (d.kind !== 'percent' || !!d.off_bps) && (d.kind !== 'exchange' || d.scope === 'products' || d.scope === 'skus') && (d.scope === 'all' || d.scope_ids.length > 0) && (d.issue !== 'code' || d.code.trim().length > 1)

/** What a coupon is worth, in one line. */
export function worth(batch: Pick<Batch, 'gives' | 'from_fen'>, currency = 'CNY'): string {
  const { t } = i18n.global
  const { gives } = batch
  const what =
    gives.type === 'fixed' ? t('coupons.worth.fixed', { sum: money(gives.off_fen, currency) })
      : gives.type === 'percent' ? t('coupons.worth.percent', { off: percent(10_000 - gives.pay_bps), fold: gives.pay_bps / 1000 }) + (gives.cap_fen ? ` ${t('coupons.worth.cap', { sum: money(gives.cap_fen, currency) })}` : '')
        : t('coupons.worth.exchange', { n: gives.pieces ?? 1 })
  return batch.from_fen ? `${t('coupons.worth.from', { sum: money(batch.from_fen, currency) })} ${what}` : what
}
