import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { api, ApiError, data, download, useContext } from './client'

const answer = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
const refusal = (code: string): unknown => ({ error: { code, message: '不行', details: { left: 3 } } })
const asked = vi.fn<(request: Request) => Promise<Response>>()
const onSignedOut = vi.fn()
const onSignInAgain = vi.fn()

beforeEach(() => {
  vi.stubGlobal('fetch', asked)
  // Node's fetch wants whole addresses.
  vi.stubGlobal('Request', class extends Request {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://console.test/') : input, init)
    }
  })
  useContext({ shop: 'tea', language: 'en', onSignedOut, onSignInAgain })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetAllMocks()
})

describe('the client', () => {
  it('says which shop is meant and which language is read', async () => {
    asked.mockResolvedValue(answer(200, { items: [] }))
    expect(await data(api.GET('/admin/v1/categories'))).toEqual({ items: [] })
    const headers = asked.mock.calls[0]?.[0].headers
    expect([headers?.get('X-Siyu-Shop'), headers?.get('Accept-Language')]).toEqual(['tea', 'en'])
  })
  it('turns a refusal into an error with the words of the server', async () => {
    asked.mockResolvedValue(answer(409, refusal('inventory.version_conflict')))
    const error = await data(api.GET('/admin/v1/shop')).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 409, code: 'inventory.version_conflict', message: '不行', details: { left: 3 } })
  })
  it('notices the end of the session, but not a wrong password', async () => {
    asked.mockImplementation(() => Promise.resolve(answer(401, refusal('kernel.unauthorized'))))
    const body = { login_name: 'demo', password: 'wrong', totp: null }
    await expect(api.POST('/admin/v1/login', { body })).rejects.toThrow('不行')
    expect(onSignedOut).not.toHaveBeenCalled()
    await expect(api.GET('/admin/v1/shop')).rejects.toThrow()
    expect(onSignedOut).toHaveBeenCalledOnce()
  })
  it('asks for a new log-in when the server wants one', async () => {
    asked.mockResolvedValue(answer(403, refusal('staff.sign_in_again')))
    await expect(api.POST('/admin/v1/totp/start')).rejects.toThrow()
    expect(onSignInAgain).toHaveBeenCalledWith('不行')
    expect(onSignedOut).not.toHaveBeenCalled()
  })
  it('does not trip over an answer that is no JSON', async () => {
    asked.mockResolvedValue(new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' }))
    await expect(api.GET('/admin/v1/shop')).rejects.toMatchObject({ status: 502, code: 'network.failed', message: 'Bad Gateway' })
  })
  it('refuses a download with the words of the server', async () => {
    asked.mockResolvedValue(answer(403, refusal('kernel.forbidden')))
    await expect(download('/admin/v1/orders/export', { format: 'csv', q: undefined }, 'orders.csv')).rejects.toThrow('不行')
    expect(asked.mock.calls[0]?.[0]).toBe('/admin/v1/orders/export?format=csv')
  })
})
