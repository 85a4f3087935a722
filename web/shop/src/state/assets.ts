import { shallowReactive } from 'vue'
import { api } from '@/api/shop'
import type { Word } from '@/i18n'
import { money } from '@/format'
import { session } from './session'

/** What the member owns in this shop; of what the shop has switched off only what is left over. */
export interface Asset {
  label: Word
  figure: string
  url: string
}
export const assets = shallowReactive({ items: [] as Asset[] })

export async function loadAssets(): Promise<void> {
  if (!session.token) return void (assets.items = [])
  const [wallet, points, earned] = await Promise.all([api.wallet(), api.points(), api.commission()])
  const value = wallet.principal_fen + wallet.bonus_fen
  const found: (Asset | false)[] = [
    (wallet.can_top_up || value + wallet.held_fen > 0) && {
      label: 'wallet.title',
      figure: money(value),
      url: '/money/stored_value/wallet',
    },
    (points.is_enabled || points.balance > 0) && {
      label: 'points.title',
      figure: String(points.balance),
      url: '/money/points/points',
    },
    (earned.is_promoter || earned.earned_fen + earned.expected_fen + earned.held_fen > 0) && {
      label: 'payout.title',
      figure: money(earned.available_fen),
      url: '/money/profit_sharing/commission',
    },
  ]
  assets.items = found.filter((one): one is Asset => !!one)
}
