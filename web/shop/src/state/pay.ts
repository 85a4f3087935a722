import { api } from '@/api/shop'
import type { PaymentStart } from '@/api/types'
import { uuid } from '@/ids'
import { platform, PlatformError } from '@/platform'

export type PayResult = 'paid' | 'cancelled' | 'failed' | 'outside' | 'unknown'

/**
 * Pays: takes the server's parameters, opens WeChat's sheet, then asks the server what WeChat
 * knows. The sheet's own word is never taken as payment.
 */
async function pay(begun: PaymentStart, known: () => Promise<PayResult>): Promise<PayResult> {
  if (begun.state === 'paid') return 'paid'
  if (!begun.jsapi) return 'outside'
  try {
    await platform.requestPayment(begun.jsapi)
  } catch (cause) {
    return cause instanceof PlatformError ? cause.reason : 'failed'
  }
  return known()
}

/** Asks up to five times, a little slower each time; `unknown` = money may still be under way. */
async function patiently(asked: () => Promise<PayResult>): Promise<PayResult> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (attempt) await new Promise((done) => setTimeout(done, 600 * attempt))
    try {
      const result = await asked()
      if (result !== 'unknown') return result
    } catch {
      // no answer is no answer: ask again
    }
  }
  return 'unknown'
}

/** Pays an order. Raises ApiError when the payment could not be begun. */
export const payOrder = async (id: string): Promise<PayResult> =>
  pay(await api.pay(id, uuid()), () => awaitPaid(id))

export const awaitPaid = (id: string): Promise<PayResult> =>
  patiently(async () => {
    const { order_status } = await api.syncPayment(id)
    if (order_status === 'cancelled') return 'cancelled'
    return order_status === 'pending_payment' ? 'unknown' : 'paid'
  })

/** Pays a top-up of the wallet. Raises ApiError as above. */
export const payTopUp = async (id: string): Promise<PayResult> =>
  pay(await api.payTopUp(id, uuid()), () =>
    patiently(async () => ((await api.syncTopUp(id)).state === 'paid' ? 'paid' : 'unknown')),
  )
