import { keepFor } from '@/store'
import { device, PlatformError, subscribeAnswers, type Platform } from './contracts'

declare global {
  interface Window {
    WeixinJSBridge?: {
      invoke(name: string, params: object, done: (answer: { err_msg: string }) => void): void
    }
  }
}

/** The phone's frames bear this name: there its greeting is waited for, for without it nobody can
 * log in. In a frame of anybody else nobody would answer. */
const PHONE = 'siyu-phone'
const HELLO_MS = 10_000
const SHOP_KEY = 'siyu.shop'
let inPhone = false
let calls = 0
let code: string | null = null

function remembered(write?: string): string {
  try {
    if (write) localStorage.setItem(SHOP_KEY, write)
    return localStorage.getItem(SHOP_KEY) ?? ''
  } catch {
    return '' // storage may be forbidden
  }
}

/** Asks the sandbox phone around the page; its `errMsg` speaks as WeChat's does. */
function ask<T>(call: string, args: object = {}): Promise<T> {
  if (!inPhone) return Promise.reject(new PlatformError('outside'))
  const id = ++calls
  return new Promise((resolve, reject) => {
    window.addEventListener('message', function hear({ data, source }: MessageEvent) {
      if (source !== window.parent || data?.siyu !== 1 || data.id !== id) return
      window.removeEventListener('message', hear)
      if (data.ok) resolve(data.result as T)
      else
        reject(
          new PlatformError(/cancel|deny/.test(data.errMsg) ? 'cancelled' : 'failed', data.errMsg),
        )
    })
    window.parent.postMessage({ siyu: 1, id, call, args }, '*')
  })
}

/** Asks WeChat's own browser. */
const invoke = (name: string, params: object): Promise<void> =>
  new Promise((resolve, reject) =>
    window.WeixinJSBridge!.invoke(name, params, ({ err_msg }) => {
      if (err_msg.endsWith(':ok')) resolve()
      else reject(new PlatformError(err_msg.endsWith('cancel') ? 'cancelled' : 'failed', err_msg))
    }),
  )

/**
 * H5: inside the sandbox phone, in WeChat's own browser, or in any other, where one can only look.
 */
export const browser: Platform = {
  start() {
    device.width = Math.min(window.innerWidth, 480)
    if (window.parent === window || window.name !== PHONE) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, HELLO_MS)
      window.addEventListener('message', function hear({ data, source }: MessageEvent) {
        if (source !== window.parent || data?.siyu !== 1 || data.call !== 'hello' || !data.ok)
          return
        window.removeEventListener('message', hear)
        clearTimeout(timer)
        inPhone = data.platform === 'sandbox-phone'
        keepFor(data.account)
        const { safeTop = 0, safeBottom = 0, capsule = null, language = '' } = data
        Object.assign(device, { safeTop, safeBottom, capsule, language })
        document.documentElement.style.setProperty('--safe-bottom', `${safeBottom}px`)
        resolve()
      })
      window.parent.postMessage({ siyu: 1, call: 'hello' }, '*')
    })
  },
  apiHost: () => location.origin,
  /** From the address (`?shop=CODE`), else the shop of the last visit. */
  shopCode() {
    if (code === null) {
      const asked = new URLSearchParams(location.search).get('shop')
      code = asked ?? remembered()
      if (asked) remembered(asked)
    }
    return code
  },
  name: () => 'h5',
  loginCode: () => ask<{ code: string }>('login').then((answer) => answer.code),
  phoneCode: () => ask<{ code: string }>('getPhoneNumber').then((answer) => answer.code),
  /** In WeChat's browser as in pay.weixin.qq.com, "JSAPI调起支付". */
  requestPayment(params) {
    const bridge = window.WeixinJSBridge
    if (inPhone || !bridge) return ask<void>('requestPayment', { ...params })
    return invoke('getBrandWCPayRequest', params)
  },
  /** In WeChat's browser as in pay.weixin.qq.com, "JSAPI调起用户确认收款". */
  requestTransfer(params) {
    const bridge = window.WeixinJSBridge
    if (inPhone || !bridge) return ask<void>('requestMerchantTransfer', { ...params })
    return invoke('requestMerchantTransfer', params)
  },
  async requestSubscribe(templates) {
    const said = await ask<Record<string, string>>('requestSubscribeMessage', {
      tmplIds: templates,
    })
    return subscribeAnswers(templates, said)
  },
  share: (card) => ask<void>('share', card),
}
