// Money, time and ratios are shown by these functions and nowhere else.
import { i18n } from './locales'

const language = (): string => i18n.global.locale.value

/** Fen (minor units) to text: 12345 CNY -> ¥123.45 */
export function money(fen: number | null | undefined, currency = 'CNY'): string {
  if (fen == null) return '–'
  return new Intl.NumberFormat(language(), { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }).format(fen / 100)
}

/** Minor units of a ledger asset: points are whole, everything else is money. */
export const units = (amount: number | null | undefined, asset: string): string =>
  asset === 'POINT' ? count(amount) : money(amount, asset)

/** Fen with their sign: +¥5.00; how a balance changed. */
export const change = (fen: number, currency = 'CNY'): string => `${fen > 0 ? '+' : ''}${money(fen, currency)}`

/** Whole numbers with separators. */
export const count = (value: number | null | undefined): string =>
  value == null ? '–' : new Intl.NumberFormat(language()).format(value)

/** Basis points to percent: 825 -> 8.25% */
export const percent = (bps: number | null | undefined): string =>
  bps == null ? '–' : `${(bps / 100).toFixed(bps % 100 === 0 ? 0 : bps % 10 === 0 ? 1 : 2)}%`

// In English the month is a word: 09/10 means two days.
const date = (): Intl.DateTimeFormatOptions => ({ year: 'numeric', month: language() === 'en' ? 'short' : '2-digit', day: '2-digit' })

/** A moment in the shop's time zone. */
export function moment(at: string | null | undefined, timeZone?: string): string {
  if (!at) return '–'
  return new Intl.DateTimeFormat(language(), {
    ...date(), hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone,
  }).format(new Date(at))
}

/** A calendar day in the shop's time zone. */
export const day = (at: string, timeZone?: string): string =>
  new Intl.DateTimeFormat(language(), { ...date(), timeZone }).format(new Date(at))

/** A figure of the metric catalogue in its unit. */
export function figure(value: number | null | undefined, unit: string, currency: string): string {
  if (unit === 'fen') return money(value, currency)
  if (unit === 'bps') return percent(value)
  return unit === 'hundredths' && value != null ? (value / 100).toFixed(2) : count(value)
}

/** A figure for a headline or an axis: large amounts without their cents, `compact` in short words (1.2万). */
export function brief(value: number | null | undefined, unit: string, currency: string, compact = false): string {
  if (value == null || (!compact && (unit !== 'fen' || Math.abs(value) < 1_000_000))) return figure(value, unit, currency)
  if (unit === 'bps') return percent(value)
  const style = unit === 'fen' ? ({ style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as const) : {}
  const notation = compact ? ({ notation: 'compact', maximumFractionDigits: 1 } as const) : { maximumFractionDigits: 0 }
  return new Intl.NumberFormat(language(), { ...style, minimumFractionDigits: 0, ...notation }).format(unit === 'count' ? value : value / 100)
}

/** The first moment of a calendar day (`2026-11-22`) in the shop's time zone, `plus` days later, as RFC 3339. */
export function dayStart(on: string, timeZone = 'Asia/Shanghai', plus = 0): string {
  const noon = new Date(`${on}T12:00:00Z`)
  noon.setUTCDate(noon.getUTCDate() + plus)
  const day = noon.toISOString().slice(0, 10)
  const offset = (at: string): string =>
    new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
      .formatToParts(new Date(at)).find((p) => p.type === 'timeZoneName')?.value.replace('GMT', '') || '+00:00'
  // Twice: the clock may change between midnight there and midnight in UTC.
  return `${day}T00:00:00${offset(`${day}T00:00:00${offset(`${day}T00:00:00Z`)}`)}`
}

/** Typed yuan to fen: `12.5` -> 1250; null for nothing or what is no amount. */
export function parseMoney(text: string): number | null {
  const found = /^\s*(\d{1,9})(?:\.(\d{1,2}))?\s*$/.exec(text)
  return found ? Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0')) : null
}
