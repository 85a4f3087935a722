import { locale } from './i18n'
import { shop } from './state/shop'

const SIGNS: Record<string, string> = {
  CNY: '¥',
  GBP: '£',
  USD: '$',
  EUR: '€',
  HKD: 'HK$',
  JPY: 'JP¥',
}

/** 8900 -> ['¥', '89', '.00'], in the shop's currency; thousands are grouped. */
export function moneyParts(fen: number): [sign: string, whole: string, rest: string] {
  const sign = (fen < 0 ? '-' : '') + (SIGNS[shop.currency] ?? `${shop.currency} `)
  const size = Math.abs(fen)
  const whole = String(Math.floor(size / 100)).replace(/\B(?=(\d{3})+$)/g, ',')
  return [sign, whole, `.${String(size % 100).padStart(2, '0')}`]
}

export const money = (fen: number): string => moneyParts(fen).join('')

/** 8900 -> `89.00`, as one types it. */
export const yuan = (fen: number): string => (fen / 100).toFixed(2)

/** What came with a plus, what went with a minus. */
export const signed = (n: number, show: (n: number) => string): string =>
  (n > 0 ? '+' : '') + show(n)

/** An RFC 3339 instant in the device's time zone: `2026-11-22 08:24`, or day only. */
export function when(at: string, style: 'minute' | 'day' = 'minute'): string {
  const d = new Date(at)
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`
  return style === 'day' ? day : `${day} ${two(d.getHours())}:${two(d.getMinutes())}`
}

/** The end of a span, as people say it: what ends at midnight is good for the day before. */
export function lastMoment(end: string): string {
  const said = when(end)
  return said.endsWith(' 00:00') ? when(new Date(Date.parse(end) - 1).toISOString(), 'day') : said
}

/** 12345 -> `1.2万` / `12.3k`; below ten thousand the exact count. */
export function count(n: number): string {
  if (n < 10_000) return String(n)
  return locale.value === 'zh-CN' ? `${(n / 10_000).toFixed(1)}万` : `${(n / 1000).toFixed(1)}k`
}

/** Seconds as `14:05` or `1:02:03`. */
export function clockTime(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`
}

/** A Chinese mobile number as it is typed; any other as it is kept (E.164). */
export const phoneText = (phone: string): string => phone.replace(/^\+86(?=1\d{10}$)/, '')

/**
 * Province to door on one line; a municipality, whose province and city are the same, is named
 * once.
 */
export function addressLine(a: {
  province: string
  city: string
  district: string
  detail: string
}): string {
  const parts = [a.province, a.city === a.province ? '' : a.city, a.district, a.detail].filter(
    Boolean,
  )
  if (/^[\x20-\x7e]*$/.test(parts.join(''))) return parts.join(', ')
  return parts
    .map((part) => (/^[A-Za-z]/.test(part) ? ` ${part}` : part))
    .join('')
    .trim()
}
