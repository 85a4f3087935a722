import { reactive } from 'vue'
import type { JsapiParams, TransferParams } from '@/api/types'

/**
 * Why the platform did not do what was asked. `outside` = an ordinary browser, where WeChat cannot
 * be reached.
 */
export type Refusal = 'cancelled' | 'failed' | 'outside'
export class PlatformError extends Error {
  constructor(
    readonly reason: Refusal,
    message: string = reason,
  ) {
    super(message)
  }
}

export interface Capsule {
  top: number
  left: number
  width: number
  height: number
}

/**
 * Insets and width in px; `capsule` is WeChat's own button at the top right, which nothing may
 * cover. `language` is the phone's, where a browser's would mislead; else empty.
 */
export const device = reactive({
  safeTop: 0,
  safeBottom: 0,
  capsule: null as Capsule | null,
  width: 375,
  language: '',
})

/** The event of `<button open-type="getPhoneNumber">`. */
export interface PhoneEvent {
  detail: { code?: string; errMsg: string }
}
export interface ShareCard {
  title: string
  path: string
  imageUrl: string
}

/** `ban`: WeChat has closed the template; `filter`: it is one of two with the same title. */
export interface SubscribeAnswer {
  template_id: string
  answer: 'accept' | 'reject' | 'ban' | 'filter'
}
/** WeChat's answer has one key per template beside its errMsg. */
export const subscribeAnswers = (
  templates: string[],
  said: Record<string, string>,
): SubscribeAnswer[] =>
  templates.map((template_id) => ({
    template_id,
    answer: (said[template_id] ?? 'reject') as SubscribeAnswer['answer'],
  }))

/** What the shop asks of the place it runs in. Every promise is refused with a PlatformError. */
export interface Platform {
  /**
   * Learns the device's insets and, in a browser, whether a sandbox phone stands around the page.
   */
  start(): Promise<void>
  /** Origin of the API, without a slash at the end. */
  apiHost(): string
  shopCode(): string
  name(): 'mp-weixin' | 'h5' | 'ios'
  /** A one-time code that the back end exchanges for the member. */
  loginCode(): Promise<string>
  /**
   * A one-time code for the phone number. The mini program may ask only in answer to its button,
   * whose event it needs.
   */
  phoneCode(event?: PhoneEvent): Promise<string>
  /**
   * Opens WeChat's pay sheet; resolves when it says paid. The truth is asked from the server
   * afterwards.
   */
  requestPayment(params: JsapiParams): Promise<void>
  /** WeChat's page on which money from the shop is accepted; the truth is asked afterwards. */
  requestTransfer(params: TransferParams): Promise<void>
  /**
   * Asks for consent to subscription messages, at most three templates; WeChat shows its popup in
   * answer to a tap only. One acceptance is one message.
   */
  requestSubscribe(templates: string[]): Promise<SubscribeAnswer[]>
  share(card: ShareCard): Promise<void>
}
