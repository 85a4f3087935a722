// What pages of profiles share: the catalogue of fields, and values as people read them.
import { ref, type Ref } from 'vue'
import { data, api } from '@/api/client'
import type { components } from '@/api/schema'
import { count, day, money, percent } from '@/format'
import { i18n, word } from '@/locales'

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

/** What a field is made of, in words. Events are asked of the shop's vocabulary; who may not see it reads their names. */
export function useSources(fields: Ref<Field[] | null>): (source: string) => string {
  const events = ref(new Map<string, string>())
  void data(api.GET('/admin/v1/insight/vocabulary')).then((v) => (events.value = new Map(v.events.map((e) => [e.key, e.label]))), () => null)
  const called = (one: string): string => {
    const field = fields.value?.find((f) => f.key === one)
    return events.value.get(one) ?? (field ? nameOf(field) : one.includes('.') ? one : word(`profiles.sources.${one}`, one))
  }
  return (source) => {
    const all = source.split(' ').filter((one) => one && one !== '/').map(called)
    return all.slice(0, 3).join(' · ') + (all.length > 3 ? ` +${all.length - 3}` : '')
  }
}

/** A value with its unit; what is not known says so. */
export function told(value: Value, field: Field, currency: string): string {
  if (value.state === 'masked') return value.band ? band(value.band, currency) : '–'
  if (value.state !== 'known' || value.value == null) return t('profiles.states.' + value.state)
  const v = value.value
  if (typeof v === 'boolean') return t(v ? 'profiles.yes' : 'profiles.no')
  if (Array.isArray(v)) return v.map((one) => called(field, one)).join(chinese() ? '、' : ', ')
  if (typeof v === 'string') return field.kind === 'date' ? day(`${v}T12:00:00Z`, 'UTC') : called(field, v)
  if (field.kind === 'fen') return money(v, currency)
  if (field.unit === 'bps') return percent(v)
  if (field.unit === 'ms') return t('profiles.minutes', { n: count(Math.round(v / 6_000) / 10) })
  return field.unit === 'days' ? t('profiles.days', { n: count(v) }) : count(v)
}
const band = ([from, below]: (number | null)[], currency: string): string => (below == null ? `≥ ${money(from, currency)}` : `${money(from, currency)} – ${money(below, currency)}`)
/** A choice in words; price levels are the account's own, anything else speaks for itself. */
function called(field: Field, value: string): string {
  const known = field.choices.find((one) => one.value === value)
  return known ? nameOf(known) : field.key === 'level' ? word(`members.levels.${value}`, value) : value
}
/** The values of a choice to pick from; empty: any text. */
export const choicesOf = (field: Field): { value: string; label: string }[] => field.choices.map((one) => ({ value: one.value, label: nameOf(one) }))

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
/** Whether every condition says with what it compares. */
export const isWhole = (rule: Rule): boolean =>
  rule.conditions.every((c) => c.op === 'known' || c.op === 'unknown' || (Array.isArray(c.value) ? c.value.length > 0 : c.value != null && c.value !== ''))
export const blankRule = (): Rule => ({ match: 'all', conditions: [{ field: 'orders', op: 'ge', value: 1 }] })
