import { reactive } from 'vue'
import { api } from '@/api/shop'
import type { ConsentItem, Purpose } from '@/api/types'
import { load, save } from '@/store'

/**
 * What the customer allowed. A decision made before login is kept on the device and told to the
 * server after login; nothing is sent about a person before consent (mission 205).
 */
interface Decision {
  text_version: string
  granted: boolean
  at: number
  told: boolean
}
const ASK_AGAIN_MS = 7 * 24 * 3600 * 1000

export const consents = reactive({ items: [] as ConsentItem[] })
const decisions = reactive<Partial<Record<Purpose, Decision>>>({})

export async function loadConsents(): Promise<void> {
  Object.assign(decisions, load<typeof decisions>('consents'))
  consents.items = (await api.consents()).items
}

const item = (purpose: Purpose): ConsentItem | undefined =>
  consents.items.find((one) => one.purpose === purpose)

/** The answer to the text now in force, or null when never asked about it. */
export function granted(purpose: Purpose): boolean | null {
  const own = decisions[purpose]
  const text = item(purpose)
  if (own && (!text || own.text_version === text.text_version)) return own.granted
  return text?.granted ?? null
}

export const consentVersion = (purpose: Purpose): string | null =>
  granted(purpose)
    ? (decisions[purpose]?.text_version ?? item(purpose)?.text_version ?? null)
    : null

/** Whether now may be a good moment: never asked, or refused more than a week ago. */
export function mayAsk(purpose: Purpose): boolean {
  if (granted(purpose) === null) return true
  return granted(purpose) === false && Date.now() - (decisions[purpose]?.at ?? 0) > ASK_AGAIN_MS
}

export function decide(purpose: Purpose, yes: boolean): void {
  decisions[purpose] = {
    text_version: item(purpose)?.text_version ?? '',
    granted: yes,
    at: Date.now(),
    told: false,
  }
  save('consents', { ...decisions })
}

/** Tells the server what it does not know yet; call when logged in. */
export async function tellConsents(): Promise<void> {
  for (const [purpose, own] of Object.entries(decisions) as [Purpose, Decision][]) {
    if (own.told || !own.text_version) continue
    consents.items = (await api.decide(purpose, own.text_version, own.granted)).items
    own.told = true
  }
  save('consents', { ...decisions })
}
