// One client for all pages. Identity is the session cookie; the shop travels in a header.
import createClient, { type Middleware } from 'openapi-fetch'
import type { paths } from './schema'

/** A refusal of the server: stable code, sentence in the user's language, details. */
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

const context = { shop: '', language: 'zh-CN', onSignedOut: () => {}, onSignInAgain: (_message: string) => {} }

/** What every request carries; set by the session store. */
export function useContext(change: Partial<typeof context>): void {
  Object.assign(context, change)
}

const middleware: Middleware = {
  onRequest({ request }) {
    if (context.shop) request.headers.set('X-Siyu-Shop', context.shop)
    request.headers.set('Accept-Language', context.language)
    return request
  },
  async onResponse({ response, request }) {
    if (response.ok) return response
    const body = (await response.clone().json().catch(() => null)) as {
      error?: { code: string; message: string; details: Record<string, unknown> }
    } | null
    const error = body?.error
    if (response.status === 401 && !request.url.endsWith('/login')) context.onSignedOut()
    if (error?.code === 'staff.sign_in_again') context.onSignInAgain(error.message)
    throw new ApiError(
      response.status,
      error?.code ?? 'network.failed',
      error?.message ?? response.statusText,
      error?.details,
    )
  },
}

export const api = createClient<paths>({ baseUrl: '/', fetch: (request) => fetch(request) })
api.use(middleware)

/** The data of an answer; errors have already been thrown by the middleware. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T
}

/** A fresh key for one intended write; keep it for repeats of the same intent. */
export const onceKey = (): string => crypto.randomUUID()

/** Save a file that the server streams, with the same identity, shop and errors as every call. */
export async function download(path: string, query: Record<string, string | undefined>, name: string, body?: object): Promise<void> {
  const known = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1])
  const answer = await fetch(`${path}?${new URLSearchParams(known)}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'X-Siyu-Shop': context.shop, 'Accept-Language': context.language, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  })
  if (!answer.ok) {
    const told = await answer.json().catch(() => null)
    throw new ApiError(answer.status, told?.error?.code ?? 'network.failed', told?.error?.message ?? answer.statusText)
  }
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await answer.blob())
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}

/** Upload a picture; the server decodes, strips and re-encodes it. */
export async function uploadImage(file: File): Promise<{ url: string; width: number; height: number }> {
  const body = new FormData()
  body.append('file', file)
  return (await data(
    api.POST('/admin/v1/images', { body: body as never, bodySerializer: (form: unknown) => form as FormData }),
  )) as { url: string; width: number; height: number }
}
