// The colour of a state: one meaning, one colour, on every page.
export type Theme = 'default' | 'primary' | 'success' | 'warning' | 'danger'

const STATES: Record<Exclude<Theme, 'primary'>, string[]> = {
  success: ['succeeded', 'settled', 'paid', 'completed', 'refunded', 'active', 'done', 'resolved', 'credited', 'finished'],
  danger: ['abnormal', 'failed', 'refused', 'rejected', 'denied', 'dead'],
  warning: ['waiting', 'unpaid', 'parked', 'requested', 'open', 'adding', 'held', 'returning', 'received', 'returned'],
  default: ['closed', 'cancelled', 'withdrawn', 'expired', 'dropped', 'removed', 'voided'],
}

/** What is under way is `primary`, as is any state newer than this console. */
export const themeOf = (state: string): Theme =>
  (Object.entries(STATES).find(([, states]) => states.includes(state))?.[0] as Theme | undefined) ?? 'primary'
