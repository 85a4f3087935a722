// An answer as a table for reading; the one to take along is the server's.
import { brief, count, money, percent } from '@/format'
import { i18n } from '@/locales'
import type { Answer } from './question'

export interface Table {
  head: string[]
  rows: string[][]
}
const say = (key: string, more: Record<string, unknown> = {}): string => i18n.global.t(`behaviour.${key}`, more)

/** Seconds in words: 45 s, 3.5 min, 2.1 h, 4 d. */
export function span(seconds: number | null | undefined): string {
  if (seconds == null) return '–'
  const [value, unit] = seconds < 60 ? [seconds, 's'] : seconds < 3600 ? [seconds / 60, 'min'] : seconds < 86_400 ? [seconds / 3600, 'h'] : [seconds / 86_400, 'd']
  return say(`spans.${unit}`, { n: Number.isInteger(value) ? value : value.toFixed(1) })
}

/** The bounds of a bucket, in the words of its unit. */
export function bucket(low: number | null, high: number | null, unit: string, currency: string): string {
  const show = (value: number): string => unit === 'fen' ? brief(value, 'fen', currency) : unit === 'ms' ? span(value / 1000) : count(value)
  if (unit === 'times') return high === null ? `≥ ${low}` : low === null || high - low === 1 ? count(high - 1) : `${low}–${high - 1}`
  if (unit === 'fen' && low === null) return `≤ ${money(0, currency)}`
  return low === null ? `< ${show(high ?? 0)}` : high === null ? `≥ ${show(low)}` : `${show(low === 1 ? 0 : low)} – ${show(high)}`
}

export function tableOf(answer: Answer, currency: string): Table {
  const amount = (value: number, unit: string): string => (unit === 'fen' ? money(value, currency) : count(value))
  switch (answer.kind) {
    case 'funnel': return {
      head: [say('step'), say('persons'), say('rate'), say('whole'), say('median'), ...answer.parts.map((p) => p.label)],
      rows: answer.stages.map((s, i) => [s.label, count(s.persons), percent(s.rate_bps), percent(s.whole_bps), span(s.median_s), ...answer.parts.map((p) => count(p.persons[i]))]),
    }
    case 'retention': return {
      head: [say('cohort'), say('persons'), ...answer.curve.map((p) => say(`nth.${answer.unit}`, { n: p.period }))],
      rows: answer.cohorts.map((c) => [c.on, count(c.persons), ...c.back.map((n) => (n == null || !c.persons ? '' : percent(Math.round((n * 10_000) / c.persons))))]),
    }
    case 'paths': return {
      head: [say('level'), say('place'), say('visits'), say('ended')],
      rows: answer.nodes.map((n) => [String(n.level), n.label, count(n.visits), count(n.ended)]),
    }
    case 'spread': return {
      head: [say(`of.${answer.unit}`), say('persons'), say('share')],
      rows: answer.buckets.map((b) => [bucket(b.low, b.high, answer.unit, currency), count(b.persons), answer.persons ? percent(Math.round((b.persons * 10_000) / answer.persons)) : '–']),
    }
    case 'share': return {
      head: [say('value'), say(`unit.${answer.unit}`), say('share'), ...answer.periods],
      rows: answer.slices.map((s) => [s.label, amount(s.amount, answer.unit), percent(s.share_bps), ...s.values.map((v) => amount(v, answer.unit))]),
    }
    case 'trend': return {
      head: [say('day'), ...answer.lines.map((l) => l.label)],
      rows: [...answer.days.map((on, i) => [on, ...answer.lines.map((l) => amount(l.values[i] ?? 0, answer.unit))]), [say('total'), ...answer.lines.map((l) => amount(l.total, answer.unit))]],
    }
    default: return {
      head: [say('zone'), say('viewers'), say('meanDwell'), say('clicks'), say('clickRate')],
      rows: answer.zones.map((z) => [z.label, count(z.viewers), z.mean_ms == null ? '–' : span(z.mean_ms / 1000), count(z.clicks), percent(z.click_bps)]),
    }
  }
}

/** Whether there is anything to see. */
export function isEmpty(answer: Answer): boolean {
  switch (answer.kind) {
    case 'funnel': return !answer.stages[0]?.persons
    case 'retention': return !answer.cohorts.length
    case 'paths': return !answer.visits
    case 'spread': return !answer.persons
    case 'share': return !answer.slices.length
    case 'trend': return !answer.lines.some((l) => l.total)
    default: return !answer.zones.length
  }
}

export function save(href: string, name: string): void {
  const link = document.createElement('a')
  link.href = href
  link.download = name
  link.click()
}
