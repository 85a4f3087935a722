// What is open or chosen stands in the address: a reload keeps it, the way back undoes it, a link leads to it.
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export function useQuery(name: string, fallback = ''): WritableComputedRef<string> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => String(route.query[name] ?? fallback),
    set: (value) => void router.push({ query: { ...route.query, [name]: value && value !== fallback ? value : undefined } }),
  })
}
