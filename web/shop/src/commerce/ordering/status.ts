import type { OrderSummary } from '@/api/types'
import type { Word } from '@/i18n'

type Known = Pick<OrderSummary, 'status' | 'delivery'>

/** Who fetches goods waits for no parcel. */
const fetches = (order: Known): boolean => order.status === 'paid' && order.delivery === 'pickup'

/** What of its parcels is known only to the order's own page. */
const state = (order: Known, partly: boolean) => {
  if (fetches(order)) return 'toFetch'
  return partly && order.status === 'paid' ? 'partly' : order.status
}

/** The word for where an order stands; partly: some of its parcels have left. */
export const statusWord = (order: Known, partly = false): Word =>
  `order.status.${state(order, partly)}`

/** What that means for the customer. */
export const hintWord = (order: Known, partly = false): Word => `order.hint.${state(order, partly)}`
