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
