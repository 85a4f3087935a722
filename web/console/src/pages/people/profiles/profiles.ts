// What pages of profiles share: the catalogue of fields, and values as people read them.
import { data, api } from '@/api/client'
import type { components } from '@/api/schema'
import { count, money, percent } from '@/format'
import { i18n } from '@/locales'

export type Schemas = components['schemas']
export type Field = Schemas['FieldView']
export type Value = Schemas['FieldValue']
export type Rule = Schemas['FieldRule']
export type Condition = Schemas['Condition']
export type Tier = Schemas['PersonTier']
export const GROUPS = ['identity', 'behaviour', 'trade', 'content', 'community', 'service', 'value'] as const
export const KINDS = ['visit', 'identity', 'trade', 'coupon', 'money', 'community', 'service'] as const

const { t } = i18n.global
const chinese = (): boolean => i18n.global.locale.value === 'zh-CN'
export const nameOf = (thing: { zh: string; en: string }): string => (chinese() ? thing.zh : thing.en)

let asked: Promise<Field[]> | null = null
/** The catalogue; it changes with the program only, so it is asked once. */
export const catalogue = (): Promise<Field[]> => (asked ??= data(api.GET('/admin/v1/profile-fields')).then((found) => found.items).catch((error: unknown) => { asked = null; throw error }))

/** A value with its unit; what is not known says so. */
export function told(value: Value, field: Field, currency: string): string {
  if (value.state === 'masked') return value.band ? band(value.band, currency) : '–'
  if (value.state !== 'known' || value.value == null) return t('profiles.states.' + value.state)
  const v = value.value
  if (typeof v === 'boolean') return t(v ? 'profiles.yes' : 'profiles.no')
  if (Array.isArray(v)) return v.join(chinese() ? '、' : ', ')
  if (typeof v === 'string') return field.key === 'rfm_class' ? rfm(v) : field.key.endsWith('_band') ? `¥${v}` : word(v)
  if (field.kind === 'fen') return money(v, currency)
  if (field.unit === 'bps') return percent(v)
  if (field.unit === 'ms') return t('profiles.minutes', { n: count(Math.round(v / 6_000) / 10) })
  return field.unit === 'days' ? t('profiles.days', { n: count(v) }) : count(v)
}
const band = ([from, below]: (number | null)[], currency: string): string => (below == null ? `≥ ${money(from, currency)}` : `${money(from, currency)} – ${money(below, currency)}`)
const word = (v: string): string => (i18n.global.te('profiles.words.' + v) ? t('profiles.words.' + v) : v)
const rfm = (v: string): string => t('profiles.rfm', { r: t('profiles.levels.' + v[0]), f: t('profiles.levels.' + v[1]), m: t('profiles.levels.' + v[2]) })

const NUMBER = ['ge', 'le', 'eq', 'ne'] as const
/** What may be asked of a field. */
export function opsOf(kind: Field['kind']): Condition['op'][] {
  const own: Condition['op'][] = kind === 'number' || kind === 'fen' ? [...NUMBER] : kind === 'date' ? ['days_le', 'days_ge'] : kind === 'bool' ? ['eq'] : kind === 'list' ? ['in'] : ['eq', 'ne', 'in']
  return [...own, 'known', 'unknown']
}
export const fresh = (field: Field, op: Condition['op']): Condition => ({
  field: field.key, op,
  value: op === 'known' || op === 'unknown' ? null : op === 'in' ? [] : field.kind === 'bool' ? true : field.kind === 'number' || field.kind === 'fen' || field.kind === 'date' ? 1 : '',
})
export const blankRule = (): Rule => ({ match: 'all', conditions: [{ field: 'orders', op: 'ge', value: 1 }] })
