import { describe, expect, it } from 'vitest'
import { movers, search, signed, tone, treeOf, type Metric, type Tree } from './figures'

const node = (key: string, parent: number | null, moved: number): Tree => ({ key, label: key, unit: 'fen', part: 'conversion', parent, depth: parent == null ? 0 : 1, op: null, before: 1, after: 2, change_bps: null, moved, definition: '' })

describe('the tree of a north star', () => {
  const nodes = [node('gmv', null, 5), node('buyers', 0, -2), node('new', 1, -3), node('old', 1, 1), node('value', 0, 7)]
  it('puts parts under their figure', () => {
    const root = treeOf(nodes)
    expect(root?.children.map((c) => c.key)).toEqual(['buyers', 'value'])
    expect(root?.children[0]?.children.map((c) => c.key)).toEqual(['new', 'old'])
    expect(treeOf([])).toBeNull()
  })
  it('names the ends that moved it, the strongest first', () => expect(movers(nodes).map((n) => n.key)).toEqual(['value', 'new', 'old']))
})
describe('figures', () => {
  it('knows good news from bad', () => {
    expect([tone(5, 'ge'), tone(5, 'le'), tone(-5, 'le'), tone(0, 'ge'), tone(5, null)]).toEqual(['better', 'worse', 'better', 'quiet', 'quiet'])
  })
  it('shows a change with its sign', () => {
    expect(signed(-1250, 'bps', 'CNY')).toBe('−12.5%')
    expect(signed(3, 'count', 'CNY')).toBe('+3')
    expect(signed(0, 'count', 'CNY')).toBe('0')
  })
  it('finds by name, key and words', () => {
    const items = [{ label: '跳出率', key: 'bounce', definition: '只看了一页' }, { label: 'GMV', key: 'gmv', definition: 'paid orders' }] as Metric[]
    expect(search(items, '一页').map((m) => m.key)).toEqual(['bounce'])
    expect(search(items, 'paid GMV').map((m) => m.key)).toEqual(['gmv'])
    expect(search(items, ' ')).toHaveLength(2)
  })
})
