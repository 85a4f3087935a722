import { reactive } from 'vue'

/** The address chosen on the address page for the confirm page that opened it. */
export const checkout = reactive({ addressId: null as string | null, choosing: false })
