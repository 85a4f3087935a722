// What can be asked about, loaded once per shop and language.
import { ref, watch } from 'vue'
import { api, data } from '@/api/client'
import type { components } from '@/api/schema'
import { useSession } from '@/session'

type Vocabulary = components['schemas']['Vocabulary']
export type SavedSegment = components['schemas']['Segment']
const known = new Map<string, Promise<Vocabulary>>()

export function useVocabulary() {
  const session = useSession()
  const words = ref<Vocabulary>({ events: [], props: [], pages: [], last_on: null })
  const isAsked = ref(false)
  const segments = ref<SavedSegment[]>([])
  async function loadSegments(): Promise<void> {
    segments.value = (await data(api.GET('/admin/v1/segments')).catch(() => ({ items: [] }))).items
  }
  watch(() => session.language, async (language) => {
    const key = `${session.shop?.code} ${language}`
    if (!known.has(key)) known.set(key, data(api.GET('/admin/v1/insight/vocabulary')))
    words.value = await known.get(key)!.catch(() => { known.delete(key); return words.value })
    isAsked.value = true
  }, { immediate: true })
  void loadSegments()
  return { words, isAsked, segments, loadSegments }
}
