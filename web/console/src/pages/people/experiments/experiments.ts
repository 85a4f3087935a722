// What the pages of experiments share: shapes, an empty draft, figures in the unit of their metric.
import type { components } from '@/api/schema'
import { money } from '@/format'

type Schemas = components['schemas']
export type Experiment = Schemas['Experiment']
export type Draft = Schemas['ExperimentDraft']
export type Results = Schemas['ExperimentResults']
export type Arm = Schemas['Arm']
export type Metric = Experiment['metric']
export type Surface = Experiment['surface']

export const SURFACES: Surface[] = ['product', 'banner', 'strip', 'home_order', 'free']
export const METRICS: Metric[] = ['conversion', 'orders', 'revenue', 'click', 'cart', 'event']
export const GUARDS: Metric[] = ['refund', 'unsubscribe', 'complaint']
export const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const
/** The texts of a payload that the shop lays over what is there; a cover and free JSON have inputs of their own. */
export const TEXTS: Record<Surface, string[]> = { product: ['title'], banner: ['title', 'subtitle'], strip: ['text'], home_order: [], free: [] }

export const share = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)}%`
export const signed = (value: number): string => `${value > 0 ? '+' : ''}${share(value)}`
/** A mean per person in words: a share, a number of orders, an amount. */
export const worth = (value: number, metric: Metric, currency = 'CNY'): string =>
  metric === 'revenue' ? money(Math.round(value), currency) : metric === 'orders' ? value.toFixed(3) : share(value, 2)

/** Equal weights that add up to the whole. */
export function even(arms: Arm[]): Arm[] {
  const each = Math.floor(10_000 / arms.length)
  return arms.map((arm, i) => ({ ...arm, weight_bps: i ? each : 10_000 - each * (arms.length - 1) }))
}
export const blank = (control: string, other: string): Draft => ({
  key: '', name: '', hypothesis: '', surface: 'product', product_id: null, product_no: null, method: 'split', audience: 'all', layer: null, share_bps: 10_000,
  metric: 'conversion', event: null, window_days: 3, baseline_micro: 40_000, effect_bps: 1_000, guards: [{ metric: 'refund', worse_bps: 200 }],
  arms: [{ key: 'a', name: control, weight_bps: 5_000, payload: {} }, { key: 'b', name: other, weight_bps: 5_000, payload: {} }],
})
