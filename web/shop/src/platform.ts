import type { Platform } from './platform/contracts'
// #ifdef MP-WEIXIN
import { weixin } from './platform/weixin'
// #endif
// #ifdef H5
import { browser } from './platform/browser'
// #endif

export { device, PlatformError, type PhoneEvent, type SubscribeAnswer } from './platform/contracts'

let here: Platform
// #ifdef MP-WEIXIN
here = weixin
// #endif
// #ifdef H5
here = browser
// #endif

/** The place the shop runs in. */
export const platform: Platform = here

/** An image address of the API as this place can load it. */
export const asset = (url: string | null): string =>
  url?.startsWith('/') ? platform.apiHost() + url : (url ?? '')
