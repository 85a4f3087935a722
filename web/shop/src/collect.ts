import { onHide, onShow, onUnload } from '@dcloudio/uni-app'
import { getCurrentInstance, onBeforeUnmount, onMounted } from 'vue'
import { call } from './api/client'
import { uuid } from './ids'
import { load, save } from './store'
import { consentVersion } from './state/consents'
import { pageInFront } from './state/gate'

/**
 * Behaviour events of the shop, sent in batches and only with the customer's consent to analytics.
 * A batch keeps its key until the server took it, so a repeated batch counts once.
 */
type Name = 'expose' | 'click' | 'view' | 'cart' | 'share' | 'dwell'
interface Detail {
  product_id?: string
  zone?: string
  dwell_ms?: number
  props?: Record<string, string | number>
}
interface Entry {
  name: Name
  at: string
  page: string
  product_id: string | null
  zone: string | null
  dwell_ms: number | null
  props: object
}
interface Batch {
  batch_key: string
  visitor: string
  consent_version: string
  events: Entry[]
}

/** Zones of the page that are on the screen for less are not reported. */
const GLANCE_MS = 200
const EVERY_MS = 5000
const FULL = 20
const KEPT_BATCHES = 10
let waiting: Entry[] = []
let batches: Batch[] = []
let timer: ReturnType<typeof setTimeout> | null = null
let sending = false

/** The key this device made for itself. */
export function visitor(): string {
  const known = load<string>('visitor')
  if (known) return known
  const fresh = uuid()
  save('visitor', fresh)
  return fresh
}

/** Whether this device ever told anything about who uses it. */
export const hasVisitor = (): boolean => !!load<string>('visitor') || !!load<string[]>('forget')

/**
 * Has the server forget what this device told without a login; from now on it is somebody new. A
 * wish that is not heard is kept and told again at the next start. False: a member has logged in
 * here, and only their own word counts. Raises ApiError.
 */
export async function forgetVisitor(): Promise<boolean> {
  forgetEvents()
  const known = load<string>('visitor')
  const keys = [...(load<string[]>('forget') ?? []), ...(known ? [known] : [])]
  save('visitor', null)
  let done = true
  while (keys.length) {
    save('forget', keys)
    const body = { visitor: keys[0] }
    const answer = await call<{ is_forgotten: boolean }>('POST', '/collect/v1/forget', { body })
    done = answer.is_forgotten && done
    keys.shift()
  }
  save('forget', null)
  return done
}

/** Shown inside the console's heat map: staff look at it, not a customer. */
export function isPreview(): boolean {
  // #ifdef H5
  return new URLSearchParams(location.search).has('preview')
  // #endif
  // #ifndef H5
  return false
  // #endif
}

export function collect(
  name: Name,
  { product_id = undefined, zone, dwell_ms, props = {} }: Detail = {},
  on = pageInFront(),
): void {
  if (isPreview() || !consentVersion('analytics')) return
  const at = new Date().toISOString()
  waiting.push({
    name,
    at,
    page: on,
    product_id: product_id ?? null,
    zone: zone ?? null,
    dwell_ms: dwell_ms ?? null,
    props,
  })
  if (waiting.length >= FULL) void flush()
  else timer ??= setTimeout(() => void flush(), EVERY_MS)
}

function seal(): void {
  if (timer) clearTimeout(timer)
  timer = null
  const consent_version = consentVersion('analytics')
  if (waiting.length && consent_version)
    batches = [
      ...batches,
      { batch_key: uuid(), visitor: visitor(), consent_version, events: waiting },
    ].slice(-KEPT_BATCHES)
  waiting = []
}

/**
 * Sends what is there. What cannot be sent stays, also over a restart, and goes with the next
 * flush.
 */
export async function flush(): Promise<void> {
  seal()
  if (sending) return
  sending = true
  try {
    while (batches.length) {
      await call('POST', '/collect/v1', { body: batches[0], key: batches[0].batch_key })
      batches.shift()
    }
  } catch {
    // kept for the next time
  } finally {
    sending = false
    save('batches', batches.length ? batches : null)
  }
}

/** Going away: the browser may stop us any moment, so the batch is handed to it whole. */
export function flushAndLeave(): void {
  // #ifdef H5
  seal()
  save('batches', batches.length ? batches : null)
  // #endif
  void flush()
}

export function startCollecting(): void {
  batches = load<Batch[]>('batches') ?? []
  if (load<string[]>('forget')) void forgetVisitor().catch(() => undefined)
}

/** Withdrawn consent: nothing that was not sent yet may be sent. */
export function forgetEvents(): void {
  waiting = []
  batches = []
  save('batches', null)
}

/**
 * Reports `expose` once when a third of the component's `.expose` element has been on the screen.
 */
export function useExpose(detail: () => Detail): void {
  const self = getCurrentInstance()
  let observer: UniApp.IntersectionObserver | null = null
  onMounted(() => {
    observer = uni.createIntersectionObserver(self?.proxy, { thresholds: [0.33] })
    observer.relativeToViewport().observe('.expose', ({ intersectionRatio }) => {
      if (intersectionRatio < 0.33) return
      observer?.disconnect()
      observer = null
      collect('expose', detail())
    })
  })
  onBeforeUnmount(() => observer?.disconnect())
}

/**
 * Reports `dwell` per zone of the page: how long a third of a `.zone` element (its `data-zone` names
 * it) was on the screen, told when it leaves the screen or the page goes. Call `look` when the zones
 * are drawn (and again when others are).
 */
export function useZones(): { look: () => void } {
  const self = getCurrentInstance()
  const since = new Map<string, number>()
  const page = { route: '' }
  let observer: UniApp.IntersectionObserver | null = null
  let seen: string[] = []
  function left(zone: string): void {
    const began = since.get(zone)
    since.delete(zone)
    const dwell_ms = began === undefined ? 0 : Date.now() - began
    if (dwell_ms >= GLANCE_MS) collect('dwell', { zone, dwell_ms }, page.route)
  }
  function look(): void {
    observer?.disconnect()
    page.route ||= pageInFront()
    observer = uni.createIntersectionObserver(self?.proxy, {
      thresholds: [0, 0.33],
      observeAll: true,
    })
    observer.relativeToViewport().observe('.zone', (entry) => {
      const zone = String((entry as { dataset?: { zone?: string } }).dataset?.zone ?? '')
      if (!zone) return
      if (entry.intersectionRatio < 0.33) left(zone)
      else if (!since.has(zone)) since.set(zone, Date.now())
    })
  }
  onShow(() => {
    for (const zone of seen) since.set(zone, Date.now())
    seen = []
  })
  const leave = (): void => {
    seen = [...since.keys()]
    for (const zone of seen) left(zone)
  }
  onHide(leave)
  onUnload(() => {
    leave()
    observer?.disconnect()
  })
  return { look }
}
