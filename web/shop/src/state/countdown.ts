import { onBeforeUnmount, ref, watchEffect, type Ref } from 'vue'
import { serverNow } from '@/api/client'

/**
 * Whole seconds until an instant by the server's clock, counted down every second; 0 when past or
 * null.
 */
export function useCountdown(until: () => string | null): Ref<number> {
  const left = ref(0)
  const tick = (): void => {
    const at = until()
    left.value = at ? Math.max(0, Math.ceil((Date.parse(at) - serverNow()) / 1000)) : 0
  }
  watchEffect(tick)
  const timer = setInterval(tick, 1000)
  onBeforeUnmount(() => clearInterval(timer))
  return left
}
