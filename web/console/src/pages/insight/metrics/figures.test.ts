import { mount, RouterLinkStub } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import type { components } from '@/api/schema'
import { i18n } from '@/locales'
import FigureCard from './FigureCard.vue'
import Funnel from './Funnel.vue'

type Schemas = components['schemas']
const global = { plugins: [i18n], stubs: { RouterLink: RouterLinkStub } }
const bounce: Schemas['CardView'] = {
  key: 'bounce', label: '跳出率', value: 5200, unit: 'bps', trend_bps: 1000, series: [{ on: '2026-11-21', value: 4000 }, { on: '2026-11-22', value: 5200 }],
  health: { threshold: 4000, comparison: 'le', state: 'bad', action: '缩短首屏' }, definition: '只看一页就走的访次占比',
}
const card = (change: Partial<Schemas['CardView']> = {}) =>
  mount(FigureCard, { props: { card: { ...bounce, ...change }, currency: 'CNY', active: false }, global })

describe('FigureCard', () => {
  it('calls a rising bounce rate worse and a falling one better', () => {
    expect(card().find('.worse').text()).toBe('▲ 10%')
    expect(card({ trend_bps: -1000 }).find('.better').text()).toBe('▼ 10%')
    expect(card({ health: null }).find('.better').text()).toBe('▲ 10%')
  })
  it('says nothing of a period before that was empty', () => {
    expect(card({ trend_bps: null }).find('.trend').text()).toBe('')
  })
  it('shows the threshold and its state, to the eye and to the ear', () => {
    expect(card().find('.health.bad').text()).toMatch(/≤\s+40%\s*未达标/)
  })
  it('ties the definition to a link to the catalogue that takes the focus', () => {
    const shown = card()
    expect(shown.findComponent(RouterLinkStub).props('to')).toBe('/metrics/bounce')
    const described = shown.find('a.help').attributes('aria-describedby')
    expect(shown.find('[role=tooltip]').attributes('id')).toBe(described)
    expect(shown.find('[role=tooltip]').text()).toBe(bounce.definition)
  })
  it('is chosen by its own button', async () => {
    const shown = card()
    await shown.find('button.pick').trigger('click')
    expect(shown.emitted('choose')).toHaveLength(1)
    expect(shown.find('button.pick').attributes('aria-pressed')).toBe('false')
  })
})

describe('Funnel', () => {
  const step = (key: Schemas['FunnelStepView']['key'], persons: number, rate_bps: number | null): Schemas['FunnelStepView'] => ({
    key, label: key, persons, rate_bps, health: null, definition: '',
  })
  const widths = (steps: Schemas['FunnelStepView'][]): number[] =>
    mount(Funnel, { props: { steps }, global }).findAll('.body').map((b) => Number.parseFloat((b.element as HTMLElement).style.getPropertyValue('--share')))

  it('shows four levels with the rates between them', () => {
    const shown = mount(Funnel, { props: { steps: [step('expose', 1000, null), step('click', 400, 4000), step('convert', 33, 825), step('repurchase', 0, 0)] }, global })
    expect(shown.findAll('li').map((li) => li.find('.num').text())).toEqual(['1,000', '400', '33', '0'])
    expect(shown.findAll('.rate').map((r) => r.text())).toEqual(['40%', '8.25%', '0%'])
  })
  it('narrows with the persons, and never leaves its panel', () => {
    expect(widths([step('expose', 100, null), step('click', 25, 2500), step('convert', 1, 400), step('repurchase', 0, 0)])).toEqual([100, 50, 10, 0])
    // An imported history knows buyers and no exposures.
    expect(widths([step('expose', 0, null), step('click', 0, null), step('convert', 983, null), step('repurchase', 318, 3235)])).toEqual([0, 0, 100, 56.9])
  })
})
