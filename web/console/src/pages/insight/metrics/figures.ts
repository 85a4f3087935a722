// What the pages of figures have in common: their unit, their state, what a change means.
import { brief, figure } from '@/format'
import type { components } from '@/api/schema'

export type Metric = components['schemas']['MetricView']
export type Tree = components['schemas']['NodeView']

/** Good news, bad news or neither: a falling bounce rate is good. */
export function tone(change: number | null | undefined, better: string | null | undefined): 'better' | 'worse' | 'quiet' {
  if (!change || !better) return 'quiet'
  return change > 0 === (better === 'ge') ? 'better' : 'worse'
}

/** A line to hold, in words: ≥ 8%. */
export const line = (value: number, comparison: string, unit: string, currency: string): string =>
  `${comparison === 'ge' ? '≥' : '≤'} ${brief(value, unit, currency)}`

/** A change with its sign, in the unit of the figure. */
export const signed = (value: number, unit: string, currency: string): string =>
  `${value > 0 ? '+' : value < 0 ? '−' : ''}${figure(Math.abs(value), unit, currency)}`

/** Figures that fit what somebody types, by name, key or what they say. */
export function search(items: Metric[], text: string): Metric[] {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean)
  return items.filter((m) => words.every((w) => `${m.label} ${m.key} ${m.definition}`.toLowerCase().includes(w)))
}

export interface Placed extends Tree {
  index: number
  children: Placed[]
}

/** The flat list of nodes as a tree; null of none. */
export function treeOf(nodes: Tree[]): Placed | null {
  const placed: Placed[] = nodes.map((n, index) => ({ ...n, index, children: [] }))
  for (const node of placed) if (node.parent != null) placed[node.parent]?.children.push(node)
  return placed[0] ?? null
}

/** The ends of the tree that moved it, the strongest first. */
export function movers(nodes: Tree[]): Tree[] {
  const parents = new Set(nodes.map((n) => n.parent))
  return nodes.filter((n, i) => !parents.has(i) && n.moved !== 0).sort((a, b) => Math.abs(b.moved) - Math.abs(a.moved))
}
