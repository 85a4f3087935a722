// Loading data for a page: one question, its answer, its error, and keyset paging.
import { onMounted, ref, shallowRef, type Ref } from 'vue'

export interface Loaded<T> {
  value: Ref<T | null>
  loading: Ref<boolean>
  error: Ref<string>
  reload: () => Promise<void>
}

/** Ask once at start and whenever `reload` is called; a late answer to an old question is dropped. */
export function useLoad<T>(ask: () => Promise<T>): Loaded<T> {
  const value = shallowRef<T | null>(null) as Ref<T | null>
  const loading = ref(true)
  const error = ref('')
  let turn = 0
  async function reload(): Promise<void> {
    const mine = ++turn
    loading.value = value.value === null
    error.value = ''
    try {
      const answer = await ask()
      if (mine === turn) value.value = answer
    } catch (caught) {
      if (mine === turn) error.value = caught instanceof Error ? caught.message : String(caught)
    } finally {
      if (mine === turn) loading.value = false
    }
  }
  onMounted(reload)
  return { value, loading, error, reload }
}

export interface PageOf<T> {
  items: T[]
  next_cursor?: string | null
}

/** A list that pages by key: `next` and `back` walk, `restart` begins anew (filters changed). */
export function useKeyset<T>(ask: (cursor: string | undefined) => Promise<PageOf<T>>) {
  const trail = ref<(string | undefined)[]>([undefined])
  const { value, loading, error, reload } = useLoad(() => ask(trail.value.at(-1)))
  const busy = ref(false)
  async function go(change: () => void): Promise<void> {
    busy.value = true
    change()
    await reload()
    busy.value = false
  }
  return {
    page: value,
    loading,
    error,
    busy,
    trail,
    reload,
    next: () => go(() => value.value?.next_cursor && trail.value.push(value.value.next_cursor)),
    back: () => go(() => trail.value.length > 1 && trail.value.pop()),
    restart: () => go(() => (trail.value = [undefined])),
  }
}
