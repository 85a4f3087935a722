import { I18n } from '@dcloudio/uni-i18n'
import { ref } from 'vue'
import en from './words/en.json'
import zh from './words/zh-CN.json'

/**
 * The program's words. uni-app's own translator is used: it is in the bundle anyway, and vue-i18n
 * would take a fifth of the 150 KB that the H5 program may weigh.
 */
export type Locale = 'zh-CN' | 'en'
export type Word = keyof typeof zh
const KEY = 'siyu.locale' // read by index.html too
const english: Record<Word, string> = en

/** What the customer chose, else the language of the device. */
export function preferred(device: string): Locale {
  const chosen = uni.getStorageSync(KEY)
  if (chosen === 'en' || chosen === 'zh-CN') return chosen
  return /^zh/i.test(device || 'zh') ? 'zh-CN' : 'en'
}

export const locale = ref<Locale>(preferred(uni.getLocale()))
const words = new I18n({
  locale: locale.value,
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zh, en: english },
})

/** A text in the customer's language; `{name}` in it is replaced from `values`. */
export function t(word: Word, values?: Record<string, string | number>): string {
  return locale.value && words.t(word, values ?? {})
}

/**
 * Names the tab bar, which does not follow on its own and can be told only while a tab page is in
 * front.
 */
export function nameTabs(): void {
  for (const [index, tab] of (['home', 'categories', 'cart', 'me'] as const).entries())
    uni.setTabBarItem({ index, text: t(`tab.${tab}`), fail: () => undefined })
}

export function setLocale(next: Locale, chosen = true): void {
  words.setLocale(next)
  locale.value = next
  if (chosen) uni.setStorageSync(KEY, next)
  // #ifdef H5
  document.documentElement.lang = next
  // #endif
  nameTabs()
}
