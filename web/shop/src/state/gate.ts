import { reactive } from 'vue'

/**
 * The one sheet that explains a permission before it is asked (mission 29). `ask` opens it on the
 * page in front and resolves with the customer's answer; a second question waits for nobody: it
 * answers no.
 */
export type Question = 'privacy' | 'phone' | 'wechat'
export const gate = reactive({ question: null as Question | null, why: '', page: '' })
let answerer: ((yes: boolean) => void) | null = null

/** Route of the page in front, as the funnel names it too: `pages/home/home`. */
export const pageInFront = (): string => getCurrentPages().at(-1)?.route ?? ''

export function ask(question: Question, why = ''): Promise<boolean> {
  if (gate.question) return Promise.resolve(false)
  Object.assign(gate, { question, why, page: pageInFront() })
  return new Promise((resolve) => (answerer = resolve))
}

export function answer(yes: boolean): void {
  gate.question = null
  answerer?.(yes)
  answerer = null
}
