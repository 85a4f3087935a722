// Questions to the warehouse: how they begin, how a link carries them, how they are asked and called off.
import { ref, shallowRef } from 'vue'
import { api, data, onceKey } from '@/api/client'
import type { components } from '@/api/schema'
import { messageOf } from '@/act'

type Schemas = components['schemas']
export type Question = Schemas['AskBody']['question']
export type Kind = Question['kind']
export type Answered = Schemas['Answered']
export type Answer = Answered['answer']
export type Step = Schemas['StepBody']
export type Filter = Schemas['Filter']
export type Period = Schemas['Period']

export const KINDS: Kind[] = ['funnel', 'retention', 'trend', 'paths', 'spread', 'share', 'heat']
const step = (event: string): Step => ({ event, where: [] })

/** A first question of a kind that says something in any shop. */
export function begin(kind: Kind, period: Period = { last_days: 30 }): Question {
  const common = { period, people: null, where: [] }
  switch (kind) {
    case 'funnel': return { kind, ...common, steps: [step('behaviour.view'), step('behaviour.cart'), step('any.order')], window_hours: 168, by: null }
    case 'retention': return { kind, ...common, birth: step('any.active'), back: step('any.active'), unit: 'day', periods: 7, within: false }
    case 'trend': return { kind, ...common, steps: [step('any.visit'), step('any.order')], count: 'persons' }
    case 'paths': return { kind, ...common, anchor: { event: 'behaviour.view', where: [{ prop: 'page', op: 'eq', value: 'pages/home/home' }] }, side: 'from', by: 'page', depth: 4, top: 6 }
    case 'spread': return { kind, ...common, step: step('any.order'), of: 'times' }
    case 'share': return { kind, ...common, step: step('behaviour.click'), by: 'zone', count: 'events', top: 8 }
    default: return { kind: 'heat', ...common, page: 'pages/home/home' }
  }
}

/** A question as it stands in an address, and back; what is not one (an old or cut link) is null. */
export const toLink = (question: Question): string => JSON.stringify(question)
export function fromLink(text: unknown): Question | null {
  try {
    const found = JSON.parse(String(text)) as Question
    return KINDS.includes(found.kind) && typeof found.period === 'object' ? found : null
  } catch {
    return null
  }
}

const SLOW_MS = 1000
const POLL_MS = 500

/** Asks one question at a time: a new one calls the old one off, which ends its computation on the server too. */
export function useAnswer() {
  const answered = shallowRef<Answered | null>(null)
  const error = ref('')
  const busy = ref(false)
  /** null while it is quick; then how far it is, -1 where nobody knows. */
  const percent = ref<number | null>(null)
  let running: AbortController | null = null

  function cancel(): void {
    running?.abort()
    running = null
    busy.value = false
    percent.value = null
  }
  async function run(question: Question): Promise<void> {
    cancel()
    const mine = new AbortController()
    running = mine
    const key = onceKey()
    busy.value = true
    error.value = ''
    let timer = window.setTimeout(watch, SLOW_MS)
    async function watch(): Promise<void> {
      const told = await data(api.GET('/admin/v1/insight/progress', { params: { query: { key } }, signal: mine.signal })).catch(() => null)
      if (running !== mine) return
      percent.value = told?.percent ?? -1
      timer = window.setTimeout(watch, POLL_MS)
    }
    try {
      const got = await data(api.POST('/admin/v1/insight/ask', { body: { question, key }, signal: mine.signal }))
      if (running === mine) answered.value = got
    } catch (caught) {
      if (running === mine) error.value = messageOf(caught)
    } finally {
      window.clearTimeout(timer)
      if (running === mine) cancel()
    }
  }
  return { answered, error, busy, percent, run, cancel }
}
