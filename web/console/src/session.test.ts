import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { menu } from './layout/menu'
import { pages } from './router'
import { useSession, type Session } from './session'

const shop = (code: string, role: Session['shops'][number]['role'], permissions: string[]): Session['shops'][number] => ({
  code, name: code, role, permissions, currency: 'CNY', time_zone: 'Asia/Shanghai',
})
const signedIn: Session = {
  staff: { staff_id: '01a20299-ad4d-7904-a264-e1186675af61', name: '掌柜', login_name: 'demo', totp_enabled: false },
  shops: [shop('tea', 'owner', ['orders.read', 'staff.manage']), shop('retail', 'analyst', ['insight.read'])],
  totp_advised: false,
}

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
})

describe('session', () => {
  it('allows nothing to nobody', () => {
    expect(useSession().may('orders.read')).toBe(false)
  })
  it('allows what the role holds in the open shop', () => {
    const session = useSession()
    session.apply(signedIn)
    expect(session.shop?.code).toBe('tea')
    expect([session.may('staff.manage'), session.may('insight.read')]).toEqual([true, false])
    session.openShop('retail')
    expect([session.may('staff.manage'), session.may('insight.read')]).toEqual([false, true])
  })
  it('falls back to the first shop when the remembered one is no longer theirs', () => {
    localStorage.setItem('siyu.shop', 'sold')
    const session = useSession()
    session.apply(signedIn)
    expect(session.shop?.code).toBe('tea')
  })
  it('speaks the language chosen, and remembers it', () => {
    useSession().speak('en')
    expect([localStorage.getItem('siyu.language'), document.documentElement.lang]).toEqual(['en', 'en'])
    useSession().speak('zh-CN')
  })
})

describe('menu and router', () => {
  it('ask for the same permission', () => {
    for (const item of menu.flatMap((group) => group.items)) {
      const page = pages.find((p) => `/${p.path}` === item.path)
      expect([item.path, page?.meta?.permission]).toEqual([item.path, item.permission])
    }
  })
})
