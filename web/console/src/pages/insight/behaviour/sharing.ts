import { MessagePlugin } from 'tdesign-vue-next'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import { i18n } from '@/locales'
import { useSession } from '@/session'

/** Links to this page for colleagues: they name its shop, and whoever works in it too sees the same. */
export function useSharing(): (query?: LocationQueryRaw) => Promise<void> {
  const route = useRoute()
  const router = useRouter()
  const session = useSession()
  const linked = session.session?.shops.find((s) => s.code === route.query.shop)
  if (linked && linked.code !== session.shop?.code) session.openShop(linked.code)
  return async (query = {}) => {
    const link = router.resolve({ path: route.path, query: { ...query, shop: session.shop?.code } }).href
    await navigator.clipboard?.writeText(new URL(link, location.href).href)
    void MessagePlugin.success(i18n.global.t('common.copied'))
  }
}
