import { reactive } from 'vue'
import { api } from '@/api/shop'
import type { CartView, LineBody } from '@/api/types'
import { session } from './session'

export const cart = reactive<CartView>({ lines: [], selected_total_fen: 0, selected_count: 0 })

export const cartPieces = (): number => cart.lines.reduce((sum, line) => sum + line.quantity, 0)

/**
 * The number on the cart's tab; only a tab page can set it, so each one does when it comes to the
 * front.
 */
export function showPieces(): void {
  const pieces = cartPieces()
  const fail = (): void => undefined
  if (pieces) uni.setTabBarBadge({ index: 2, text: pieces > 99 ? '99+' : String(pieces), fail })
  else uni.removeTabBarBadge({ index: 2, fail })
}

/** Takes the server's cart, the only truth about it. */
export function takeCart(view: CartView): void {
  Object.assign(cart, view)
  showPieces()
}

export async function loadCart(): Promise<void> {
  if (session.token) takeCart(await api.cart())
}

export async function addToCart(line: LineBody): Promise<void> {
  takeCart(await api.addToCart(line))
}
