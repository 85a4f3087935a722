import type { OrderSummary } from '@/api/types'
import type { Word } from '@/i18n'

type Known = Pick<OrderSummary, 'status' | 'delivery'>

/** Who fetches goods waits for no parcel. */
const fetches = (order: Known): boolean => order.status === 'paid' && order.delivery === 'pickup'

/** The word for where an order stands. */
export const statusWord = (order: Known): Word =>
  fetches(order) ? 'order.status.toFetch' : `order.status.${order.status}`

/** What that means for the customer. */
export const hintWord = (order: Known): Word =>
  fetches(order) ? 'order.hint.toFetch' : `order.hint.${order.status}`
