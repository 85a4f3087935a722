import { reactive } from 'vue'
import { api } from '@/api/shop'
import type { ProductLabel } from '@/api/types'

const MOST = 50
const found = reactive(new Map<string, ProductLabel[]>())
let wanted: string[] = []

/**
 * The campaigns that are on for a product of a list, none until they are known. All cards that
 * appear together are asked for in one request; without an answer a card is still a card.
 */
export function labelsOf(product: string): ProductLabel[] {
  return found.get(product) ?? []
}

export function wantLabels(product: string): void {
  if (found.has(product)) return
  found.set(product, [])
  wanted.push(product)
  if (wanted.length === 1) setTimeout(ask, 50)
}

function ask(): void {
  const ids = wanted
  wanted = []
  for (let at = 0; at < ids.length; at += MOST)
    api.promotionLabels(ids.slice(at, at + MOST)).then(
      ({ items }) => items.forEach((one) => found.set(one.product_id, one.labels)),
      () => undefined,
    )
}
