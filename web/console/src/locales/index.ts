import { createI18n } from 'vue-i18n'
import en from './en'
import zh from './zh-CN'

const saved = localStorage.getItem('siyu.language')

export const i18n = createI18n({
  legacy: false,
  locale: saved === 'en' ? 'en' : 'zh-CN',
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zh, en: en as typeof zh },
})

/** A word for a value of the back end, and the value itself when it is newer than this console. */
export const word = (key: string, value: string): string => (i18n.global.te(key) ? i18n.global.t(key) : value)
