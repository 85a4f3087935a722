// What a person decides on a page: under way, refused with why, and said when done.
import { reactive } from 'vue'
import { MessagePlugin } from 'tdesign-vue-next'
import { onceKey } from './api/client'
import { i18n } from './locales'

export const messageOf = (caught: unknown): string => (caught instanceof Error ? caught.message : String(caught))

/**
 * `begin` at every new intent; `run` does it and answers whether it worked. Repeats of one intent carry one key, so that a
 * lost answer is never a second payment. A refusal stands in `refusal` (for a dialog); `aloud` shows it as a message.
 */
export function useAct(aloud = false) {
  let key = onceKey()
  const act = reactive({
    busy: false,
    refusal: '',
    begin(): void {
      key = onceKey()
      act.refusal = ''
    },
    async run(work: (headers: { 'Idempotency-Key': string }) => Promise<unknown>, said = i18n.global.t('common.done')): Promise<boolean> {
      act.busy = true
      act.refusal = ''
      try {
        await work({ 'Idempotency-Key': key })
        key = onceKey()
        if (said) void MessagePlugin.success(said)
        return true
      } catch (caught) {
        act.refusal = messageOf(caught)
        if (aloud) void MessagePlugin.error(act.refusal)
        return false
      } finally {
        act.busy = false
      }
    },
  })
  return act
}
