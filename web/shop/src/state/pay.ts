import { api } from '@/api/shop'
import { uuid } from '@/ids'
import { platform, PlatformError } from '@/platform'

export type PayResult = 'paid' | 'cancelled' | 'failed' | 'outside' | 'unknown'

/**
 * Pays an order: asks the server for the parameters, opens WeChat's sheet, then asks the server
 * what WeChat knows. The sheet's own word is never taken as payment. Raises ApiError when the
 * payment could not be begun.
 */
export async function payOrder(orderId: string): Promise<PayResult> {
  const begun = await api.pay(orderId, uuid())
  if (begun.state === 'paid') return 'paid'
  if (!begun.jsapi) return 'outside'
  try {
    await platform.requestPayment(begun.jsapi)
  } catch (cause) {
    return cause instanceof PlatformError ? cause.reason : 'failed'
  }
  return awaitPaid(orderId)
}

/** Asks up to five times, a little slower each time; `unknown` = money may still be under way. */
export async function awaitPaid(orderId: string): Promise<PayResult> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (attempt) await new Promise((done) => setTimeout(done, 600 * attempt))
    try {
      const { order_status } = await api.syncPayment(orderId)
      if (order_status === 'cancelled') return 'cancelled'
      if (order_status !== 'pending_payment') return 'paid'
    } catch {
      // no answer is no answer: ask again
    }
  }
  return 'unknown'
}
