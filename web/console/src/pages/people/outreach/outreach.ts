// Words and drafts of outreach as the pages hold them.
import { onMounted, ref } from 'vue'
import { api, data } from '@/api/client'
import type { components } from '@/api/schema'
import { i18n, word } from '@/locales'

export type Schemas = components['schemas']
export type Draft = Schemas['TemplateDraft']
export type Form = Schemas['Form']
export type Channel = Schemas['MessageChannel']
export type Count = { state: string; channel?: string | null; reason?: string | null; messages: number }
export const CHANNELS: Channel[] = ['subscription', 'notice', 'care', 'contact', 'sms', 'inbox']
export const TOPICS = ['order', 'after_sale', 'gift', 'offers', 'news'] as const
export const withFields = (channel: Channel): boolean => channel === 'subscription' || channel === 'notice'

export const blankForm = (channel: Channel): Form =>
  ({ channel, outside_id: '', fields: {}, title: channel === 'inbox' ? i18n.global.t('outreach.newMessage') : '', text: '', page: '' })
export const blankDraft = (): Draft => ({ key: '', name: '', topic: 'offers', forms: [blankForm('inbox')], variables: [] })

/** What a moment that the program knows is called; any other has the name that its merchant gave it. */
export const momentName = (key: string, name: string): string => word(`outreach.moments.${key}`, name)

/** Variables named in any form, in the order in which they stand. */
export function holes(draft: Draft): string[] {
  const text = draft.forms.flatMap((f) => [f.title, f.text, f.page, ...Object.values(f.fields ?? {})]).join(' ')
  return [...new Set([...text.matchAll(/\{([a-z][a-z0-9_]{0,29})\}/g)].map((m) => m[1]!))]
}

/** Reason codes in words, asked once per page. */
export function useReasons(language: () => string) {
  const words = ref<Record<string, { zh: string; en: string }>>({})
  onMounted(async () => {
    // Without the words the codes are shown: they say it too.
    const found = await data(api.GET('/admin/v1/outreach/reasons')).catch(() => ({ items: [] }))
    words.value = Object.fromEntries(found.items.map((r) => [r.code, r]))
  })
  return (code: string | null | undefined): string => {
    const known = code ? words.value[code] : undefined
    return known ? (language() === 'en' ? known.en : known.zh) : (code ?? '')
  }
}

/** Names of segments, asked once per page; who may not see segments reads that it is one. */
export function useSegments(): (id: string) => string {
  const names = ref<Record<string, string>>({})
  onMounted(async () => {
    const found = await data(api.GET('/admin/v1/segments')).catch(() => ({ items: [] }))
    names.value = Object.fromEntries(found.items.map((s) => [s.segment_id, s.name]))
  })
  return (id) => names.value[id] ?? i18n.global.t('outreach.audiences.segment')
}

/** As kept, but for a campaign that waits for its hour. */
export const stateOf = (c: Schemas['MessageCampaign']): string =>
  c.state === 'planning' && Date.parse(c.started_at!) > Date.now() ? 'waiting' : c.state
export const sum = (counts: Count[], keep: (c: Count) => boolean): number =>
  counts.filter(keep).reduce((n, c) => n + c.messages, 0)
