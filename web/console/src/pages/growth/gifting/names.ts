// What a gift's codes are called: its kit by the merchant's own name, the place it came from by ours.
import { ref } from 'vue'
import { api, data } from '@/api/client'
import { word } from '@/locales'

/** Kits by their code; a kit that was removed keeps its code as its name. */
export function useKits() {
  const names = ref<Record<string, string>>({})
  void data(api.GET('/admin/v1/gifts/kits')).then(
    ({ items }) => (names.value = Object.fromEntries(items.map((kit) => [kit.kit, kit.name]))),
    () => undefined,
  )
  return (code: string | null | undefined): string => (code ? names.value[code] || code : '–')
}
export const sceneName = (code: string | null | undefined): string => (code ? word(`gifts.scenes.${code}`, code) : '–')
