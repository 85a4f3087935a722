import { reactive } from 'vue'
import { api } from '@/api/shop'
import type { Banner, HomeView, ProductCard, ProductView, Variant } from '@/api/types'
import { visitor } from '@/collect'
import { consentVersion } from './consents'

/**
 * Experiments: what this person is shown in place of what is there. Asked for once and kept for
 * ten minutes; what has not come in time is not shown, so that nothing changes under the eyes.
 */
const KEPT_MS = 600_000
const PATIENCE_MS = 800
const TOGETHER_MS = 400

const known = reactive({ items: [] as Variant[], at: 0, asked: null as string | null })
const told = new Set<string>()
let waiting = new Set<string>()
let timer: ReturnType<typeof setTimeout> | null = null

/** Before a page shows anything that may be tried: resolves in any case, and soon. */
export async function ready(): Promise<void> {
  const version = consentVersion('analytics')
  if (known.asked === version && Date.now() - known.at < KEPT_MS) return
  const asking = api
    .variants(version ? { visitor: visitor(), consent_version: version } : {})
    .then(({ items }) => Object.assign(known, { items, at: Date.now(), asked: version }))
    .catch(() => undefined) // the shop is whole without experiments
  await Promise.race([asking, new Promise((done) => setTimeout(done, PATIENCE_MS))])
}

const found = (surface: Variant['surface'], product?: string): Variant | undefined =>
  known.items.find((one) => one.surface === surface && (!product || one.product_id === product))

/** It is on the screen: the server counts it, once a day. Several go together. */
function tell(one: Variant | undefined): void {
  const version = consentVersion('analytics')
  if (!one || one.is_settled || !version || told.has(one.key)) return
  told.add(one.key)
  waiting.add(one.key)
  timer ??= setTimeout(() => {
    const keys = [...waiting]
    waiting = new Set()
    timer = null
    api
      .tellShown({ visitor: visitor(), consent_version: version, keys })
      .catch(() => keys.forEach((key) => told.delete(key)))
  }, TOGETHER_MS)
}
export const tellProduct = (product: string): void => tell(found('product', product))
export const tellHome = (): void =>
  (['banner', 'strip', 'home_order'] as const).forEach((surface) => tell(found(surface)))

const text = (one: Variant | undefined, field: string): string | undefined =>
  one?.payload[field] as string | undefined

export function dressCard(card: ProductCard): ProductCard {
  const one = found('product', card.product_id)
  if (!one) return card
  return {
    ...card,
    title: text(one, 'title') ?? card.title,
    image_url: text(one, 'image_url') ?? card.image_url,
  }
}

export function dressProduct(product: ProductView): ProductView {
  const one = found('product', product.product_id)
  if (!one) return product
  const cover = text(one, 'image_url')
  const [first, ...rest] = product.images
  return {
    ...product,
    title: text(one, 'title') ?? product.title,
    images: cover && first ? [{ ...first, url: cover }, ...rest] : product.images,
  }
}

type Section = 'hot' | 'bundles' | 'activities'

export function dressHome(home: HomeView): HomeView {
  const banner = found('banner')
  const banners = home.banners.map(
    (one, i): Banner =>
      i || !banner
        ? one
        : {
            ...one,
            title: text(banner, 'title') ?? one.title,
            subtitle: text(banner, 'subtitle') ?? one.subtitle,
          },
  )
  const notice = text(found('strip'), 'text') ?? home.shop.notice
  return { ...home, banners, shop: { ...home.shop, notice } }
}

/** Which part of the home page stands first: CSS `order` by section. */
export const sectionOrder = (section: Section): number =>
  ((found('home_order')?.payload.order as Section[] | undefined) ?? []).indexOf(section)

/** What an integrator tries: the payload under a key; it counts as shown when this is asked. */
export function payloadOf(key: string): Record<string, unknown> {
  const one = known.items.find((variant) => variant.key === key)
  tell(one)
  return one?.payload ?? {}
}
