// How much of an order the rules could share at most, as the back end counts it before it refuses a rule.
import type { Body, Item } from '@/api/types'

export type Rule = Item<'/admin/v1/split-rules'>
export type RuleDraft = Body<'/admin/v1/split-rules'>
type Counted = Pick<Rule, 'scope' | 'share_bps' | 'way' | 'product_id' | 'level'>

const sum = (rules: Counted[]): number => rules.reduce((all, rule) => all + rule.share_bps, 0)

/** Basis points of the dearest case: the whole order, its promoters, and the product with the most shares. `way`: only these. */
export function highestBps(rules: Counted[], way?: Rule['way']): number {
  const own = rules.filter((rule) => !way || rule.way === way)
  const products = new Map<string, number>()
  for (const rule of own) if (rule.scope === 'product') products.set(rule.product_id ?? '', (products.get(rule.product_id ?? '') ?? 0) + rule.share_bps)
  return sum(own.filter((rule) => rule.scope !== 'product')) + Math.max(0, ...products.values())
}

export interface Cap {
  split: number
  all: number
  isOver: boolean
}

/** What the rules come to against the contract's ratio, and against the order less WeChat's fee. */
export function capOf(rules: Counted[], settings: { max_ratio_bps: number; fee_bps: number }): Cap {
  const split = highestBps(rules, 'split')
  const all = highestBps(rules)
  return { split, all, isOver: split > settings.max_ratio_bps || all > 10_000 - settings.fee_bps }
}

/** Whether the fields of a draft agree with each other, as the back end checks them. */
export const isWhole = (d: RuleDraft): boolean =>
  !!d.title.trim() && d.share_bps >= 1 && d.share_bps <= 10_000 && (d.scope !== 'product' || !!d.product_id) &&
  (d.scope === 'promoter' ? d.level === 1 || d.level === 2 : !!d.receiver_id) && (d.trigger !== 'days' || d.after_days != null)
