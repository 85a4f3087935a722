import { reactive } from 'vue'
import type { HomeView } from '@/api/types'
// #ifdef H5
import { locale } from '@/i18n'
import { platform } from '@/platform'
// #endif

/** What every page needs to know of the shop; filled by the first answer of GET /home. */
export const shop = reactive({ name: '', logo_url: null as string | null, currency: 'CNY' })

/** The answer index.html asked for before the program was loaded; once, and only if it fits. */
export async function firstHome(): Promise<HomeView | null> {
  // #ifdef H5
  const early = window.__siyuHome
  window.__siyuHome = undefined
  if (early && early.shop === platform.shopCode() && early.lang === locale.value) return early.reply
  // #endif
  return null
}

// #ifdef H5
declare global {
  interface Window {
    __siyuHome?: { shop: string; lang: string; reply: Promise<HomeView | null> }
  }
}
// #endif
