// Names of members that a page knows by id only: asked for together, once.
import { reactive } from 'vue'
import { api, data } from '@/api/client'
import type { components } from '@/api/schema'

export type Named = Pick<components['schemas']['MemberSummary'], 'member_id' | 'nickname' | 'person_no'>

/** At most `most` ids go into one question; ids nobody knows are not asked for again. */
export function namesBy(ask: (ids: string[]) => Promise<Named[]>, most = 100) {
  const known = reactive<Record<string, Named>>({})
  const asked = new Set<string>()
  let wanted: string[] = []
  async function load(): Promise<void> {
    const all = wanted
    wanted = []
    for (let at = 0; at < all.length; at += most) {
      const found = await ask(all.slice(at, at + most)).catch(() => [])
      for (const one of found) known[one.member_id] = one
    }
  }
  return (member_id: string): Named | null => {
    if (!asked.has(member_id)) {
      asked.add(member_id)
      if (!wanted.length) queueMicrotask(() => void load())
      wanted.push(member_id)
    }
    return known[member_id] ?? null
  }
}

/** Who did something, as the trail keeps it; members and WeChat Pay in the reader's language. */
export function actorIn(language: string, actor: string): string {
  if (language !== 'en') return actor
  return actor === '微信支付' ? 'WeChat Pay' : actor.replace(/^会员 ?(?=\d+$)/, 'Member ')
}

export const nameOf = namesBy(async (ids) => (await data(api.GET('/admin/v1/members', { params: { query: { ids, limit: 100 } } }))).items)
