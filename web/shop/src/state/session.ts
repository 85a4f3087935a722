import { reactive } from 'vue'
import { ApiError, onExpired, setToken } from '@/api/client'
import { api } from '@/api/shop'
import type { MemberView } from '@/api/types'
import { t } from '@/i18n'
import { platform, PlatformError } from '@/platform'
import { load, save } from '@/store'
import { consents, granted, loadConsents, tellConsents } from './consents'
import { ask } from './gate'

export const session = reactive({ member: null as MemberView | null, token: '' })

function take(token: string, member: MemberView | null): void {
  Object.assign(session, { token, member })
  setToken(token)
  save('token', token || null)
}

/**
 * Restores the last login of this device; the token is proven by the first request that needs it.
 */
export function restoreSession(): void {
  take(load<string>('token') ?? '', null)
}

/** Forgets the login of this device. */
export const logout = (): void => take('', null)

let running: Promise<void> | null = null
/** Silent login, one at a time. Raises PlatformError or ApiError. */
function login(): Promise<void> {
  running ??= (async () => {
    const place = platform.name() === 'h5' ? 'h5' : 'mp-weixin'
    const { token, member } = await api.login(
      await platform.loginCode(),
      place,
      load<string>('visitor'),
    )
    take(token, member)
    await tellConsents().catch(() => undefined) // told again after the next login
  })().finally(() => (running = null))
  return running
}

onExpired(async () => {
  if (!session.token) return false
  take('', null)
  return login().then(
    () => true,
    () => false,
  )
})

/**
 * Makes sure somebody is logged in, explaining first; `why` completes the sentence "needed to …".
 * False = the customer declined or WeChat is not there, and the page goes on without.
 */
export async function ensureMember(why: string): Promise<boolean> {
  if (session.token) return true
  try {
    if (!consents.items.length) await loadConsents()
    if (granted('privacy') !== true && !(await ask('privacy', why))) {
      toast(t('gate.declined'))
      return false
    }
    await login()
    return true
  } catch (cause) {
    if (cause instanceof PlatformError && cause.reason === 'outside') await ask('wechat', why)
    else toast(errorText(cause))
    return false
  }
}

/** Binds the WeChat phone number after an explanation; remembers a refusal. */
export function phoneRefused(): void {
  save('phone_refused_at', Date.now())
}
export function mayAskPhone(): boolean {
  return (
    !!session.member &&
    !session.member.phone_masked &&
    Date.now() - (load<number>('phone_refused_at') ?? 0) > 7 * 24 * 3600 * 1000
  )
}

export async function loadMember(): Promise<void> {
  if (session.token) session.member = await api.me()
}

export const toast = (title: string): void =>
  void uni.showToast({ title, icon: 'none', duration: 2200 })

/** What to tell the customer about a failure. */
export function errorText(cause: unknown): string {
  if (cause instanceof ApiError)
    return cause.code === 'network' ? t('error.network') : cause.message || t('error.server')
  return t('error.server')
}
