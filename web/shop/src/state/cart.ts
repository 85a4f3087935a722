import { reactive } from 'vue'
import { api } from '@/api/shop'
import type { CartView, LineBody } from '@/api/types'
import { session } from './session'

export const cart = reactive<CartView>({ lines: [], selected_total_fen: 0, selected_count: 0 })

/** Takes the server's cart, the only truth about it, and shows its size on the tab. */
export function takeCart(view: CartView): void {
  Object.assign(cart, view)
  const pieces = view.lines.reduce((sum, line) => sum + line.quantity, 0)
  const fail = (): void => undefined // not a tab page: the next tab page sets it
  if (pieces) uni.setTabBarBadge({ index: 2, text: pieces > 99 ? '99+' : String(pieces), fail })
  else uni.removeTabBarBadge({ index: 2, fail })
}

export async function loadCart(): Promise<void> {
  if (session.token) takeCart(await api.cart())
}

export async function addToCart(line: LineBody): Promise<void> {
  takeCart(await api.addToCart(line))
}

export const cartPieces = (): number => cart.lines.reduce((sum, line) => sum + line.quantity, 0)
