import { ref } from 'vue'
import { api } from '@/api/shop'
import { ApiError } from '@/api/client'
import { t } from '@/i18n'
import { device, uuid } from '@/ids'
import { ask } from '@/state/gate'
import { ensureMember, errorText, toast } from '@/state/session'

/** The claim under way: a list of own coupons waits for it. */
export let claiming: Promise<unknown> = Promise.resolve()

/** Claims coupons, one at a time; a coupon that asks for a phone number asks the customer for it. */
export function useClaiming(done: () => Promise<unknown>) {
  const busy = ref('')
  async function claim(batch: string): Promise<void> {
    if (busy.value || !(await ensureMember(t('coupon.why')))) return
    busy.value = batch
    const key = uuid()
    try {
      const claimed = api.claimCoupon(batch, device(), key)
      claiming = claimed.catch(() => undefined)
      await claimed
      toast(t('coupon.claimed'))
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'coupons.phone_needed') {
        busy.value = ''
        if (await ask('phone', t('coupon.whyPhone'))) return claim(batch)
      } else toast(errorText(cause))
    } finally {
      busy.value = ''
      await done()
    }
  }
  return { busy, claim }
}
