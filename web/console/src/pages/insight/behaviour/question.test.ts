import { describe, expect, it } from 'vitest'
import { barsOf, optionOf } from './options'
import { KINDS, begin, fromLink, toLink, type Answer } from './question'
import { bucket, isEmpty, span, tableOf } from './table'

const funnel: Answer = {
  kind: 'funnel', parts: [],
  stages: [
    { label: '浏览页面', persons: 4, rate_bps: null, whole_bps: 10_000, median_s: null },
    { label: '支付订单', persons: 1, rate_bps: 2_500, whole_bps: 2_500, median_s: 5_400 },
  ],
}

describe('a picture', () => {
  it('has a bar for every step of a funnel, which the page shows without a chart', () => {
    expect(optionOf(funnel, 'CNY')).toBeNull()
    const series = barsOf(funnel)?.option.series as { data: { value: number; label: { formatter: () => string } }[] }[]
    expect(series[0]?.data.map((bar) => bar.value)).toEqual([4, 1])
    expect(series[0]?.data[1]?.label.formatter()).toMatch(/^1 · 25/)
  })
})

describe('a question', () => {
  it('comes back out of its link as it went in', () => {
    for (const kind of KINDS) expect(fromLink(toLink(begin(kind, { last_days: 7 })))).toEqual(begin(kind, { last_days: 7 }))
  })
  it('is none when the link is cut or of another kind', () => {
    for (const text of [undefined, '', '{"kind":"funnel"', '{"kind":"astrology","period":{}}', '{"kind":"funnel"}']) expect(fromLink(text)).toBeNull()
  })
})

describe('an answer', () => {
  it('is a table', () => {
    expect(tableOf(funnel, 'CNY').rows).toEqual([['浏览页面', '4', '–', '100%', '–'], ['支付订单', '1', '25%', '25%', '1.5 小时']])
    expect(isEmpty(funnel)).toBe(false)
  })
  it('says its times and buckets in words', () => {
    expect([span(45), span(3600), span(null)]).toEqual(['45 秒', '1 小时', '–'])
    expect([bucket(null, 2, 'times', 'CNY'), bucket(6, 11, 'times', 'CNY'), bucket(51, null, 'times', 'CNY')]).toEqual(['1', '6–10', '≥ 51'])
  })
  it('draws paths to an order with the order on the right', () => {
    const paths: Answer = { kind: 'paths', visits: 2, nodes: [{ level: 0, key: 'o', label: 'o', visits: 2, ended: 1 }, { level: 1, key: 'p', label: 'p', visits: 1, ended: 0 }], links: [{ source: 0, target: 1, visits: 1 }] }
    const drawn = (backwards: boolean) => (optionOf(paths, 'CNY', [], backwards)?.series as { data: { depth: number }[]; links: object[] }[])[0]
    expect(drawn(true)?.data.map((n) => n.depth)).toEqual([1, 0])
    expect(drawn(true)?.links).toEqual([{ source: '1', target: '0', value: 1 }])
    expect(drawn(false)?.links).toEqual([{ source: '0', target: '1', value: 1 }])
  })
})
