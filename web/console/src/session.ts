// Who is signed in, which shop is open, and what the role allows there.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { api, data, useContext } from './api/client'
import type { components } from './api/schema'
import { i18n } from './locales'

export type Session = components['schemas']['SignedIn']
export type ShopAccess = Session['shops'][number]

export const useSession = defineStore('session', () => {
  const session = ref<Session | null>(null)
  const shopCode = ref(localStorage.getItem('siyu.shop') ?? '')
  const language = ref(i18n.global.locale.value)

  const shop = computed<ShopAccess | null>(
    () => session.value?.shops.find((s) => s.code === shopCode.value) ?? session.value?.shops[0] ?? null,
  )
  const may = (permission: string): boolean => shop.value?.permissions.includes(permission) ?? false

  function apply(next: Session | null): void {
    session.value = next
    useContext({ shop: shop.value?.code ?? '', language: language.value })
  }
  function openShop(code: string): void {
    shopCode.value = code
    localStorage.setItem('siyu.shop', code)
    useContext({ shop: code })
  }
  function speak(next: 'zh-CN' | 'en'): void {
    language.value = next
    i18n.global.locale.value = next
    localStorage.setItem('siyu.language', next)
    document.documentElement.lang = next
    useContext({ language: next })
  }
  async function restore(): Promise<boolean> {
    if (session.value) return true
    try {
      apply(await data(api.GET('/admin/v1/session')))
      return true
    } catch {
      return false
    }
  }
  async function login(login_name: string, password: string, totp: string | null): Promise<void> {
    apply(await data(api.POST('/admin/v1/login', { body: { login_name, password, totp } })))
  }
  async function logout(): Promise<void> {
    await api.POST('/admin/v1/logout').catch(() => null)
    apply(null)
  }
  return { session, shop, language, may, apply, openShop, speak, restore, login, logout }
})
