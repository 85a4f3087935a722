import { afterEach, describe, expect, it } from 'vitest'
import { brief, count, dayStart, figure, moment, money, parseMoney, percent } from './format'
import { i18n } from './locales'

afterEach(() => void (i18n.global.locale.value = 'zh-CN'))

describe('money', () => {
  it('shows fen in the currency of the shop', () => {
    expect(money(12_345)).toBe('¥123.45')
    expect(money(1_234_567_89, 'GBP')).toBe('£1,234,567.89')
    expect(money(-500)).toBe('-¥5.00')
    expect(money(0)).toBe('¥0.00')
    expect(money(null)).toBe('–')
  })
  it('keeps the cents of small headlines and drops them from large ones', () => {
    expect(brief(999_999, 'fen', 'CNY')).toBe('¥9,999.99')
    expect(brief(1_234_567, 'fen', 'CNY')).toBe('¥12,346')
    expect(brief(null, 'fen', 'CNY')).toBe('–')
  })
  it('shortens the labels of an axis in the language of the reader', () => {
    expect(brief(12_000_000, 'fen', 'CNY', true)).toBe('¥12万')
    i18n.global.locale.value = 'en'
    expect(brief(12_000_000, 'fen', 'GBP', true)).toBe('£120K')
    expect(brief(25_000, 'count', 'GBP', true)).toBe('25K')
  })
})

describe('parseMoney', () => {
  it.each([['12.5', 1250], ['0.07', 7], [' 19.90 ', 1990], ['3', 300], ['123456789.99', 12345678999]])('reads %s', (text, fen) => {
    expect(parseMoney(text)).toBe(fen)
  })
  it.each(['', '12.345', '-1', '1e3', '１２', '1,000', '.5', '9999999999'])('refuses "%s"', (text) => {
    expect(parseMoney(text)).toBeNull()
  })
})

describe('ratios and counts', () => {
  it('shows basis points without useless zeros', () => {
    expect([825, 800, 850, 0, 10_000, null].map(percent)).toEqual(['8.25%', '8%', '8.5%', '0%', '100%', '–'])
  })
  it('knows the units of the metric catalogue', () => {
    expect(figure(264, 'hundredths', 'CNY')).toBe('2.64')
    expect(figure(1_234, 'count', 'CNY')).toBe('1,234')
    expect(count(undefined)).toBe('–')
  })
})

describe('time', () => {
  it('is told in the zone of the shop', () => {
    expect(moment('2026-11-21T16:05:00Z', 'Asia/Shanghai')).toBe('2026/11/22 00:05')
    i18n.global.locale.value = 'en'
    expect(moment('2011-09-09T15:36:00Z', 'Europe/London')).toBe('Sep 09, 2011, 16:36')
    expect(moment(null)).toBe('–')
  })
  it('starts a day where the shop is', () => {
    expect(dayStart('2026-11-22')).toBe('2026-11-22T00:00:00+08:00')
    expect(dayStart('2026-11-22', 'Asia/Shanghai', 1)).toBe('2026-11-23T00:00:00+08:00')
    expect(dayStart('2026-12-31', 'UTC', 1)).toBe('2027-01-01T00:00:00+00:00')
  })
  it.each([['2011-03-27', '+00:00'], ['2011-03-28', '+01:00'], ['2011-10-30', '+01:00'], ['2011-10-31', '+00:00']])(
    'keeps to the clock of London on %s', (on, offset) => {
      expect(dayStart(on, 'Europe/London')).toBe(`${on}T00:00:00${offset}`)
    },
  )
  it.each([['2026-03-08', '-05:00'], ['2026-03-09', '-04:00'], ['2026-11-01', '-04:00'], ['2026-11-02', '-05:00']])(
    'keeps to the clock of New York on %s', (on, offset) => {
      expect(dayStart(on, 'America/New_York')).toBe(`${on}T00:00:00${offset}`)
    },
  )
  it.each([['2026-04-05', '+11:00'], ['2026-04-06', '+10:00'], ['2026-10-04', '+10:00'], ['2026-10-05', '+11:00']])(
    'keeps to the clock of Sydney on %s', (on, offset) => {
      expect(dayStart(on, 'Australia/Sydney')).toBe(`${on}T00:00:00${offset}`)
    },
  )
})
