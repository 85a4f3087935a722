import { locale } from '@/i18n'
import { uuid } from '@/ids'
import { platform } from '@/platform'

/**
 * A refusal by the server (`code` as in the API) or no answer at all (`code` = `network`, status
 * 0).
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message)
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export interface CallOptions {
  query?: Record<string, string | number | null | undefined>
  body?: object
  /**
   * Idempotency-Key of a write; made here when the caller has no reason to keep its own over
   * several tries.
   */
  key?: string
}

let token = ''
let relogin: (() => Promise<boolean>) | null = null
let clockOffset = 0

/** Who asks, for which shop, in which language: on every request. */
export const headers = (): Record<string, string> => ({
  'X-Siyu-Shop': platform.shopCode(),
  'Accept-Language': locale.value,
  ...(token && { Authorization: `Bearer ${token}` }),
})
export const setToken = (value: string): void => void (token = value)
/**
 * `again` logs in silently and says whether it did; used once for a request that was answered 401.
 */
export const onExpired = (again: () => Promise<boolean>): void => void (relogin = again)
/** The server's time in ms: a phone whose clock is wrong must not show a wrong countdown. */
export const serverNow = (): number => Date.now() + clockOffset

const TRIES = 3
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

function send(
  method: Method,
  path: string,
  header: Record<string, string>,
  body?: object,
): Promise<UniApp.RequestSuccessCallbackResult> {
  let verb = method
  // #ifdef MP-WEIXIN
  // wx.request has no PATCH (developers.weixin.qq.com, wx.request: method).
  if (method === 'PATCH')
    [verb, header] = ['POST', { ...header, 'X-HTTP-Method-Override': 'PATCH' }]
  // #endif
  return new Promise((resolve, reject) =>
    uni.request({
      url: platform.apiHost() + path,
      method: verb as UniApp.RequestOptions['method'],
      data: body,
      header,
      timeout: 15_000,
      success: resolve,
      fail: ({ errMsg }) => reject(new ApiError(0, 'network', errMsg)),
    }),
  )
}

function pathWith(path: string, query: CallOptions['query']): string {
  const pairs = Object.entries(query ?? {}).filter(
    ([, value]) => value !== null && value !== undefined && value !== '',
  )
  return pairs.length
    ? `${path}?${pairs.map(([k, v]) => `${k}=${encodeURIComponent(v as string)}`).join('&')}`
    : path
}

/**
 * One request. A lost connection or a 503 is repeated (three tries in all) with the same
 * Idempotency-Key, so a write happens once. Raises ApiError.
 */
export async function call<T>(
  method: Method,
  path: string,
  { query, body, key = uuid() }: CallOptions = {},
): Promise<T> {
  const url = pathWith(path, query)
  let renewed = false
  for (let attempt = 1; ; attempt++) {
    const header = headers()
    if (body) header['Content-Type'] = 'application/json'
    if (method !== 'GET') header['Idempotency-Key'] = key
    let failure: ApiError
    try {
      const { statusCode, data, header: answered } = await send(method, url, header, body)
      const date = Date.parse(answered?.Date ?? answered?.date ?? '')
      if (date) clockOffset = date - Date.now()
      if (statusCode < 400) return data as T
      const error = (
        data as { error?: { code: string; message: string; details?: Record<string, unknown> } }
      )?.error
      failure = new ApiError(
        statusCode,
        error?.code ?? `http_${statusCode}`,
        error?.message ?? '',
        error?.details,
      )
    } catch (cause) {
      failure = cause as ApiError
    }
    if (failure.status === 401 && !renewed && relogin) {
      renewed = true
      token = ''
      if (await relogin()) continue
    }
    if ((failure.status !== 0 && failure.status !== 503) || attempt === TRIES) throw failure
    await wait(400 * attempt)
  }
}
