import { api } from '@/api/shop'
import { device } from '@/ids'
import { load, save } from '@/store'
import { session } from './session'

const KEPT_MS = 15 * 24 * 3600 * 1000

/** Remembers whose link opened the page: what is bought within 15 days is that member's doing. */
export function cameBy(query?: Record<string, string | undefined>): void {
  if (query?.by) save('sharer', { by: query.by, at: Date.now() })
}

/** The member who brought this customer, or null. */
export function sharer(): string | null {
  const kept = load<{ by: string; at: number }>('sharer')
  return kept && Date.now() - kept.at < KEPT_MS ? kept.by : null
}

/** A page's path with one's own name on it, to be shared. */
export function signed(path: string): string {
  const own = session.member?.member_id
  return own ? `${path}${path.includes('?') ? '&' : '?'}by=${own}` : path
}

/**
 * Tells which device this is: by a promoter, and by who buys through a promoter's link. Nothing
 * waits for it, and nothing is lost without it.
 */
export function tellDevice(): void {
  void api.useDevice(device()).catch(() => undefined)
}
