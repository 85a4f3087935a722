import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import type { Page } from '@/api/types'
import { begin } from './begin'
import { errorText } from './session'

/**
 * One thing a page shows: null while it is loading, an error text when it failed. The newest call
 * wins.
 */
export function useLoading<T>(fetch: () => Promise<T>): {
  data: ShallowRef<T | null>
  error: Ref<string>
  load: () => Promise<void>
} {
  const data = shallowRef<T | null>(null)
  const error = ref('')
  let newest = 0
  async function load(): Promise<void> {
    const mine = ++newest
    error.value = ''
    try {
      await begin()
      const answer = await fetch()
      if (mine === newest) data.value = answer
    } catch (cause) {
      if (mine === newest && !data.value) error.value = errorText(cause)
    }
  }
  return { data, error, load }
}

/** A list that grows by pages. `items` is null until the first page is there. */
export function usePages<T>(fetch: (cursor: string | null) => Promise<Page<T>>) {
  const items = shallowRef<T[] | null>(null)
  const error = ref('')
  const busy = ref(false)
  let next: string | null = null
  let newest = 0
  async function restart(): Promise<void> {
    next = null
    items.value = null
    busy.value = false
    await more(true)
  }
  async function more(first = false): Promise<void> {
    if (busy.value || (!first && !next)) return
    const mine = ++newest
    busy.value = true
    error.value = ''
    try {
      await begin()
      const page = await fetch(next)
      if (mine !== newest) return
      items.value = [...(items.value ?? []), ...page.items]
      next = page.next_cursor
    } catch (cause) {
      if (mine === newest) error.value = errorText(cause)
    } finally {
      if (mine === newest) busy.value = false
    }
  }
  const ended = (): boolean => items.value !== null && !next
  return { items, error, busy, restart, more: () => more(), ended }
}
