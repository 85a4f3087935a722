import type { TransferParams } from '@/api/types'
import { config } from '@/config'
import { device, PlatformError, subscribeAnswers, type Platform } from './contracts'

/** Newer than the types of @dcloudio (developers.weixin.qq.com, wx.requestMerchantTransfer). */
declare const wx: {
  requestMerchantTransfer(
    asked: TransferParams & { success(): void; fail(answer: { errMsg: string }): void },
  ): void
}

/** The WeChat mini program. */
export const weixin: Platform = {
  async start() {
    const { statusBarHeight = 0, safeArea, windowWidth, screenHeight } = uni.getWindowInfo()
    const { top, left, width, height } = uni.getMenuButtonBoundingClientRect()
    Object.assign(device, {
      safeTop: statusBarHeight,
      safeBottom: safeArea && screenHeight ? Math.max(0, screenHeight - safeArea.bottom) : 0,
      capsule: { top, left, width, height },
      width: windowWidth,
    })
  },
  apiHost: () => config.apiHost,
  shopCode: () => config.shopCode,
  name: () => (uni.getDeviceInfo().platform === 'ios' ? 'ios' : 'mp-weixin'),
  loginCode: () =>
    new Promise((resolve, reject) =>
      uni.login({
        provider: 'weixin',
        success: ({ code }) => resolve(code),
        fail: ({ errMsg }) => reject(new PlatformError('failed', errMsg)),
      }),
    ),
  phoneCode(event) {
    if (event?.detail.code) return Promise.resolve(event.detail.code)
    return Promise.reject(
      new PlatformError(event?.detail.errMsg.includes('deny') ? 'cancelled' : 'failed'),
    )
  },
  requestPayment: (params) =>
    new Promise((resolve, reject) =>
      uni.requestPayment({
        provider: 'wxpay',
        ...params,
        success: () => resolve(),
        fail: ({ errMsg }: { errMsg: string }) =>
          reject(new PlatformError(errMsg.includes('cancel') ? 'cancelled' : 'failed', errMsg)),
      } as unknown as UniApp.RequestPaymentOptions),
    ),
  requestTransfer: (params) =>
    new Promise((resolve, reject) =>
      wx.requestMerchantTransfer({
        ...params,
        success: () => resolve(),
        fail: ({ errMsg }) =>
          reject(new PlatformError(errMsg.includes('cancel') ? 'cancelled' : 'failed', errMsg)),
      }),
    ),
  requestSubscribe: (templates) =>
    new Promise((resolve, reject) =>
      uni.requestSubscribeMessage({
        tmplIds: templates,
        success: (said: unknown) =>
          resolve(subscribeAnswers(templates, said as Record<string, string>)),
        fail: ({ errMsg }: { errMsg: string }) => reject(new PlatformError('failed', errMsg)),
      }),
    ),
  share: () => Promise.resolve(), // by `<button open-type="share">` and the page's onShareAppMessage
}
