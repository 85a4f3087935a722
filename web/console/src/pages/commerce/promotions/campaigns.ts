// A campaign as the editor holds it, and as the back end reads it.
import type { Answer, Body } from '@/api/types'

export type Campaign = Answer<'/admin/v1/campaigns/{campaign_id}'>
export type CampaignBody = Body<'/admin/v1/campaigns'>
export type Terms = CampaignBody['terms']
type Scope = NonNullable<Extract<Terms, { type: 'threshold' }>['scope']>
export type Target = 'sku' | 'product' | 'category'

export interface CutDraft { target: Target; target_id: string; way: 'price' | 'percent'; value: number | null }
export interface GiftDraft { sku_id: string; quantity: number }
export interface TierDraft { at: number | null; way: 'off' | 'percent' | 'gift'; value: number | null; gifts: GiftDraft[] }
export interface ScopeDraft { categories: string[]; products: string[]; skus: string[] }
export interface Draft {
  title: string; starts: string; ends: string; priority: number; stacking: 'best' | 'adds' | 'own'; group: string
  audience: CampaignBody['audience']; takes_coupons: boolean; ignores_floor: boolean; kind: 'timed_price' | 'threshold'
  cuts: CutDraft[]; by: 'amount' | 'pieces'; repeats: boolean; tiers: TierDraft[]; only: ScopeDraft; except: ScopeDraft
}

export const TARGETS: Target[] = ['sku', 'product', 'category']
export const AUDIENCES = ['everyone', 'members', 'first_order', 'birthday'] as const
export const PHASES = ['draft', 'scheduled', 'running', 'paused', 'over'] as const
const nothing = (): ScopeDraft => ({ categories: [], products: [], skus: [] })
export const newCut = (): CutDraft => ({ target: 'product', target_id: '', way: 'percent', value: null })
export const newTier = (): TierDraft => ({ at: null, way: 'off', value: null, gifts: [] })
export const blank = (starts: string): Draft => ({
  title: '', starts, ends: '', priority: 0, stacking: 'best', group: '', audience: 'everyone', takes_coupons: true, ignores_floor: false,
  kind: 'timed_price', cuts: [newCut()], by: 'amount', repeats: false, tiers: [newTier()], only: nothing(), except: nothing(),
})

/** A moment as it is read on the shop's wall: `2026-11-22 20:00`. */
export function wallTime(at: string, timeZone = 'Asia/Shanghai'): string {
  const parts = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).formatToParts(new Date(at))
  const of = (type: string): string => parts.find((p) => p.type === type)?.value ?? ''
  return `${of('year')}-${of('month')}-${of('day')} ${of('hour')}:${of('minute')}`
}

/** The moment of a wall time in the shop's zone; an hour that the clock skips is the one after it. */
export function momentOf(wall: string, timeZone = 'Asia/Shanghai'): string {
  const asUtc = Date.parse(`${wall.replace(' ', 'T')}:00Z`)
  const shown = (at: number): number => Date.parse(`${wallTime(new Date(at).toISOString(), timeZone).replace(' ', 'T')}:00Z`)
  let at = asUtc
  for (let turn = 0; turn < 3; turn += 1) at += asUtc - shown(at)
  return new Date(at).toISOString()
}

const set = (ids: string[] | undefined): string[] => [...(ids ?? [])].sort()
export function draftOf(c: Campaign, timeZone?: string): Draft {
  const draft = blank(wallTime(c.starts_at, timeZone))
  const own = c.stacking !== 'best' && c.stacking !== 'adds'
  Object.assign(draft, {
    title: c.title, ends: c.ends_at ? wallTime(c.ends_at, timeZone) : '', priority: c.priority, stacking: own ? 'own' : c.stacking, group: own ? c.stacking : '',
    audience: c.audience, takes_coupons: c.takes_coupons, ignores_floor: c.ignores_floor, kind: c.terms.type,
  })
  if (c.terms.type === 'timed_price') {
    draft.cuts = c.terms.cuts.map((cut) => ({ target: cut.target, target_id: cut.target_id, way: cut.price_fen == null ? 'percent' : 'price', value: cut.price_fen ?? cut.pay_bps ?? null }))
  } else {
    const s: Partial<Scope> = c.terms.scope ?? {}
    draft.by = c.terms.by ?? 'amount'
    draft.repeats = c.terms.repeats ?? false
    draft.only = { categories: set(s.category_ids), products: set(s.product_ids), skus: set(s.sku_ids) }
    draft.except = { categories: set(s.except_category_ids), products: set(s.except_product_ids), skus: set(s.except_sku_ids) }
    draft.tiers = c.terms.tiers.map((tier) => ({
      at: tier.at, way: tier.off_fen ? 'off' : tier.pay_bps != null ? 'percent' : 'gift', value: tier.off_fen || (tier.pay_bps ?? null),
      gifts: (tier.gifts ?? []).map((g) => ({ sku_id: g.sku_id, quantity: g.quantity ?? 1 })),
    }))
  }
  return draft
}

export function bodyOf(d: Draft, timeZone?: string): CampaignBody {
  const terms: Terms =
    d.kind === 'timed_price'
      ? { type: 'timed_price', cuts: d.cuts.map((c) => ({ target: c.target, target_id: c.target_id, price_fen: c.way === 'price' ? c.value : null, pay_bps: c.way === 'percent' ? c.value : null })) }
      : {
          type: 'threshold', by: d.by, repeats: d.repeats && d.tiers.length === 1,
          tiers: d.tiers.map((tier) => ({ at: tier.at ?? 0, off_fen: tier.way === 'off' ? (tier.value ?? 0) : 0, pay_bps: tier.way === 'percent' ? tier.value : null, gifts: tier.gifts.filter((g) => g.sku_id) })),
          scope: {
            category_ids: d.only.categories, product_ids: d.only.products, sku_ids: d.only.skus,
            except_category_ids: d.except.categories, except_product_ids: d.except.products, except_sku_ids: d.except.skus,
          },
        }
  return {
    title: d.title.trim(), starts_at: momentOf(d.starts, timeZone), ends_at: d.ends ? momentOf(d.ends, timeZone) : null, priority: d.priority,
    stacking: d.stacking === 'own' ? d.group : d.stacking, audience: d.audience, takes_coupons: d.takes_coupons, ignores_floor: d.ignores_floor, terms,
  }
}

/** Whether everything that a campaign needs has been filled in. */
export function isWhole(d: Draft): boolean {
  const terms =
    d.kind === 'timed_price'
      ? d.cuts.length > 0 && d.cuts.every((c) => c.target_id && c.value != null)
      : d.tiers.length > 0 && d.tiers.every((tier) => tier.at && (tier.way === 'gift' ? tier.gifts.some((g) => g.sku_id) : tier.value != null))
  return terms && d.title.trim() !== '' && d.starts !== '' && (d.stacking !== 'own' || /^[a-z0-9_]{1,20}$/.test(d.group))
}
