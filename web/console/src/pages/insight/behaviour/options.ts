// An answer as an ECharts option. Calm colours of the console, one per line of thought.
import { brief, count, percent } from '@/format'
import { i18n } from '@/locales'
import type { Answer } from './question'
import { bucket, span } from './table'

export const COLOURS = ['#1f6f50', '#c98a2b', '#4f7cac', '#a05a7a', '#7a9a4d', '#d0694a', '#5b6b8c', '#8fb3a2', '#b0a06a', '#95a29b']
const INK = '#6b756f'
const axis = { axisTick: { show: false }, axisLine: { lineStyle: { color: '#d5dbd6' } }, axisLabel: { color: INK, hideOverlap: true } }
const value = (show: (v: number) => string) => ({ type: 'value', axisLabel: { formatter: show, color: INK }, splitLine: { lineStyle: { color: '#eef1ed' } } })
const grid = { left: 8, right: 16, top: 40, bottom: 8, containLabel: true }
const legend = { type: 'scroll', top: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: INK } }
const say = (key: string, more: Record<string, unknown> = {}): string => i18n.global.t(`behaviour.${key}`, more)

export interface Remark {
  at_day: string
  text: string
}
// At the edges a word in the middle of its line would be cut.
const alignAt = (part: number): string => (part < 0.1 ? 'left' : part > 0.9 ? 'right' : 'center')
const marks = (days: string[], remarks: Remark[]) => {
  const shown = remarks.filter((r) => days.includes(r.at_day))
  return shown.length
    ? { markLine: { symbol: 'none', silent: false, lineStyle: { color: '#c98a2b', type: 'dashed' }, label: { formatter: (p: { name: string }) => (p.name.length > 8 ? `${p.name.slice(0, 8)}…` : p.name), color: '#8a5a06' }, data: shown.map((r) => ({ xAxis: r.at_day.slice(5), name: r.text, label: { align: alignAt(days.indexOf(r.at_day) / days.length) } })) } }
    : {}
}

/** What the page shows without a chart, as bars: for a picture to take along. */
export function barsOf(answer: Answer): { height: number; option: Record<string, unknown> } | null {
  const bars = answer.kind === 'funnel'
    ? answer.stages.map((s, i) => ({ name: `${i + 1}. ${s.label}`, value: s.persons, told: `${count(s.persons)} · ${percent(s.whole_bps)}` }))
    : answer.kind === 'heat' ? answer.zones.map((z) => ({ name: z.label, value: z.dwell_ms, told: `${span((z.mean_ms ?? 0) / 1000)} · ${percent(z.click_bps)}` })) : []
  if (!bars.length) return null
  const option = {
    animation: false, color: COLOURS, grid: { left: 16, right: 170, top: 16, bottom: 16, containLabel: true },
    xAxis: { type: 'value', show: false }, yAxis: { type: 'category', inverse: true, data: bars.map((b) => b.name), ...axis },
    series: [{ type: 'bar', barMaxWidth: 34, data: bars.map((b) => ({ value: b.value, label: { show: true, position: 'right', color: INK, formatter: () => b.told } })) }],
  }
  return { height: 32 + 52 * bars.length, option }
}

/** backwards: paths that end at their anchor are drawn with it on the right. */
export function optionOf(answer: Answer, currency: string, remarks: Remark[] = [], backwards = false): Record<string, unknown> | null {
  const unit = 'unit' in answer && answer.unit === 'fen' ? 'fen' : 'count'
  const show = (v: number): string => brief(v, unit, currency)
  const tiny = (v: number): string => brief(v, unit, currency, true)
  switch (answer.kind) {
    case 'funnel': {
      if (!answer.parts.length) return null
      return {
        color: COLOURS, grid, legend, tooltip: { trigger: 'axis', confine: true },
        xAxis: { type: 'category', data: answer.stages.map((s, i) => `${i + 1}. ${s.label}`), ...axis }, yAxis: value((v) => `${v}%`),
        series: answer.parts.map((p) => ({ name: p.label, type: 'bar', barMaxWidth: 22, itemStyle: { borderRadius: [3, 3, 0, 0] }, tooltip: { valueFormatter: (v: number) => `${v}%` }, data: p.persons.map((n) => (p.persons[0] ? Math.round((n * 1000) / p.persons[0]) / 10 : 0)) })),
      }
    }
    case 'retention': return {
      color: COLOURS, grid: { ...grid, top: 16 }, tooltip: { trigger: 'axis', confine: true, valueFormatter: (v: number | null) => (v == null ? '–' : `${v}%`) },
      xAxis: { type: 'category', boundaryGap: false, data: answer.curve.map((p) => say(`nth.${answer.unit}`, { n: p.period })), ...axis }, yAxis: value((v) => `${v}%`),
      series: [{ type: 'line', smooth: 0.3, smoothMonotone: 'x', symbolSize: 6, areaStyle: { opacity: 0.08 }, data: answer.curve.map((p) => (p.rate_bps == null ? null : p.rate_bps / 100)) }],
    }
    case 'trend': {
      const days = answer.days.map((d) => d.slice(5))
      return {
        color: COLOURS, grid, legend, tooltip: { trigger: 'axis', confine: true, valueFormatter: show },
        xAxis: { type: 'category', boundaryGap: false, data: days, ...axis }, yAxis: { ...value(tiny), minInterval: 1 },
        series: answer.lines.map((l, i) => ({ name: l.label, type: 'line', smooth: 0.3, smoothMonotone: 'x', showSymbol: days.length < 40, symbolSize: 5, data: l.values, areaStyle: answer.lines.length === 1 ? { opacity: 0.08 } : undefined, ...(i ? {} : marks(answer.days, remarks)) })),
      }
    }
    case 'spread': return {
      color: COLOURS, grid: { ...grid, top: 16 }, tooltip: { trigger: 'axis', confine: true, valueFormatter: count },
      xAxis: { type: 'category', data: answer.buckets.map((b) => bucket(b.low, b.high, answer.unit, currency)), ...axis, axisLabel: { color: INK, interval: 0, rotate: 30, fontSize: 11 } }, yAxis: { ...value(count), minInterval: 1 },
      series: [{ type: 'bar', barMaxWidth: 44, itemStyle: { borderRadius: [3, 3, 0, 0] }, data: answer.buckets.map((b) => b.persons) }],
    }
    case 'share': {
      const days = answer.periods.map((d) => d.slice(5))
      return {
        color: COLOURS, grid, legend, tooltip: { trigger: 'axis', confine: true, valueFormatter: show, axisPointer: { type: 'shadow' } },
        xAxis: { type: 'category', data: days, ...axis }, yAxis: { ...value(tiny), minInterval: 1 },
        series: answer.slices.map((s, i) => ({ name: s.label, type: 'bar', stack: 'all', barMaxWidth: 26, data: s.values, itemStyle: s.value === null ? { color: '#d5dbd6' } : undefined, ...(i ? {} : marks(answer.periods, remarks)) })),
      }
    }
    case 'paths': {
      // A level's places may bear one name on several levels: the index makes them different. Ends are drawn, else a node looks smaller than it is.
      const last = Math.max(0, ...answer.nodes.map((n) => n.level))
      const nodes = answer.nodes.map((n, i) => ({ name: String(i), depth: backwards ? last - n.level : n.level, label: n.label, visits: n.visits, itemStyle: { color: n.key === null ? '#b6beb9' : COLOURS[n.level % 3 === 0 ? 0 : n.level % 3 === 1 ? 7 : 2] } }))
      return {
        tooltip: { trigger: 'item', confine: true, formatter: (p: { dataType: string; data: { source?: string; target?: string; value?: number; name?: string } }) => {
          const named = (i: string | undefined): string => answer.nodes[Number(i)]?.label ?? ''
          if (p.dataType === 'edge') return `${named(p.data.source)} → ${named(p.data.target)}<br/><b>${count(p.data.value)}</b> ${say('visits')}`
          const node = answer.nodes[Number(p.data.name)]
          return `${node?.label ?? ''}<br/><b>${count(node?.visits)}</b> ${say('visits')} · ${say('ended')} ${count(node?.ended)}`
        } },
        series: [{
          type: 'sankey', left: 8, right: 96, top: 12, bottom: 12, nodeWidth: 12, nodeGap: 14, draggable: false, layoutIterations: 24, emphasis: { focus: 'adjacency' },
          lineStyle: { color: 'source', opacity: 0.22, curveness: 0.5 },
          label: { color: '#1c2620', fontSize: 12, formatter: (p: { data: { name: string } }) => { const n = answer.nodes[Number(p.data.name)]; return `${n?.label ?? ''} ${percent(answer.visits ? Math.round(((n?.visits ?? 0) * 1000) / answer.visits) * 10 : null)}` } },
          data: nodes.map((n) => ({ ...n, value: n.visits })), links: answer.links.map((l) => ({ source: String(backwards ? l.target : l.source), target: String(backwards ? l.source : l.target), value: l.visits })),
        }],
      }
    }
    default: return null
  }
}
