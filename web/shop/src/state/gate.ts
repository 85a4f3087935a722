import { reactive } from 'vue'

/**
 * The one sheet that explains a permission before it is asked (mission 29). `ask` opens it on
 * whatever page is in front, and still is there after a step back, and resolves with the customer's
 * answer. A newer question takes the place of an open one, which then was answered no: who taps
 * always sees something happen.
 */
export type Question = 'privacy' | 'phone' | 'wechat'
export const gate = reactive({ question: null as Question | null, why: '' })
let answerer: ((yes: boolean) => void) | null = null

/** Route of the page in front, as the funnel names it too: `pages/home/home`. */
export const pageInFront = (): string => getCurrentPages().at(-1)?.route ?? ''

export function ask(question: Question, why = ''): Promise<boolean> {
  answer(false)
  Object.assign(gate, { question, why })
  return new Promise((resolve) => (answerer = resolve))
}

export function answer(yes: boolean): void {
  gate.question = null
  answerer?.(yes)
  answerer = null
}
