// What rules can speak of, asked once per page.
import { api, data } from '@/api/client'
import { catalogue, nameOf, type Field } from '../profiles/profiles'
import type { Words } from './segments'

/** own: the segment being written, which cannot speak of itself. */
export async function speak(own: string): Promise<Words & { catalogue: Field[] }> {
  const [vocabulary, fields, tags, tiers, segments] = await Promise.all([
    data(api.GET('/admin/v1/insight/vocabulary')),
    catalogue().catch(() => [] as Field[]),
    data(api.GET('/admin/v1/tags')).then((v) => v.items, () => []),
    data(api.GET('/admin/v1/tiers')).then((v) => v.versions[0]?.rules, () => undefined),
    data(api.GET('/admin/v1/segments')),
  ])
  const asked = fields.filter((f) => f.is_ready && f.source !== 'members')
  const named = (f: Field): { value: string; label: string } => ({ value: f.key, label: nameOf(f) })
  return {
    vocabulary,
    catalogue: fields,
    fields: asked.map(named),
    figures: asked.filter((f) => f.kind === 'number' || f.kind === 'fen').map(named),
    tags: tags.map((v) => ({ value: v.tag.tag_id, label: v.tag.name })),
    segments: segments.items.filter((s) => s.segment_id !== own).map((s) => ({ value: s.segment_id, label: s.name })),
    places: { tier: (tiers?.tier ?? []).map((p) => ({ value: p.key, label: nameOf(p) })), life: (tiers?.life ?? []).map((p) => ({ value: p.key, label: nameOf(p) })) },
  }
}
