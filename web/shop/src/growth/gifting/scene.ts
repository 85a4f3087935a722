import { load, save } from '@/store'

const KEPT_MS = 24 * 3600 * 1000

/** Remembers how a customer came to give (a share, a code, an article), to be told with the gift. */
export function cameFrom(query?: Record<string, string | undefined>): void {
  const scene = query?.scene
  if (scene && /^[a-z0-9_-]{1,32}$/.test(scene)) save('gift.scene', { scene, at: Date.now() })
}

/** Where the customer came from within a day, or null. */
export function giftScene(): string | null {
  const kept = load<{ scene: string; at: number }>('gift.scene')
  return kept && Date.now() - kept.at < KEPT_MS ? kept.scene : null
}
