import { startCollecting } from '@/collect'
import { locale, preferred, setLocale } from '@/i18n'
import { device, platform } from '@/platform'
import { loadCart } from './cart'
import { loadConsents } from './consents'
import { restoreSession } from './session'

let begun: Promise<void> | null = null

/**
 * Everything a page may rely on before its first request: where we run, who was logged in. Runs
 * once.
 */
export function begin(): Promise<void> {
  begun ??= platform.start().then(() => {
    setLocale(preferred(device.language || locale.value), false)
    restoreSession()
    startCollecting()
    void loadConsents().catch(() => undefined) // asked again when a consent is needed
    void loadCart().catch(() => undefined)
  })
  return begun
}
