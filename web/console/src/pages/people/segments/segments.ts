// Rules of segments as the editor holds them.
import type { components } from '@/api/schema'
import type { Step } from '@/pages/insight/behaviour/question'
import { isWhole as isRuleWhole } from '../profiles/profiles'

export type Schemas = components['schemas']
export type Card = Schemas['SegmentCard']
export type Rule = Schemas['SegmentBody']['rule']
export type Group = Extract<Rule, { kind: 'all' | 'any' }>
export type Leaf = Exclude<Rule, { kind: 'all' | 'any' | 'not' }>
export type Kind = Leaf['kind']
export type Explanation = Schemas['Explanation']
export const KINDS: Kind[] = ['times', 'spent', 'largest', 'then', 'field', 'foremost', 'tag', 'tier', 'segment']
export const isGroup = (rule: Rule): rule is Group => rule.kind === 'all' || rule.kind === 'any'

/** What a rule can speak of in this shop. */
export interface Words {
  vocabulary: Schemas['Vocabulary']
  fields: { value: string; label: string }[]
  figures: { value: string; label: string }[]
  tags: { value: string; label: string }[]
  segments: { value: string; label: string }[]
  places: Record<'tier' | 'life', { value: string; label: string }[]>
}

/** What was being written when the reader chose another language: the page is made anew, the draft is not lost. */
export const crossing: { draft: { id: string; name: string; note: string; live: boolean; rule: Rule } | null } = { draft: null }

const step = (event: string): Step => ({ event, where: [] })
/** A new leaf of a kind; what the one before it spoke of is kept where it fits. */
export function blank(kind: Kind, words: Words, old?: Leaf): Leaf {
  const before = old && 'step' in old ? { step: old.step, days: old.days ?? 30 } : { step: step('any.order'), days: 30 }
  switch (kind) {
    case 'times': return { kind, ...before, op: 'ge', n: 1 }
    case 'spent': return { kind, ...before, op: 'ge', fen: 20_000 }
    case 'largest': return { kind, ...before, percent: 20 }
    case 'then': return { kind, first: step('behaviour.cart'), then: step('any.order'), within: 3, done: false, days: 30 }
    case 'field': return { kind, test: { field: 'orders', op: 'ge', value: 1 } }
    case 'foremost': return { kind, field: 'net_fen', percent: 20 }
    case 'tag': return { kind, tag_id: words.tags[0]?.value ?? '' }
    case 'tier': return { kind, ladder: 'tier', keys: words.places.tier.slice(0, 1).map((p) => p.value) }
    case 'segment': return { kind, segment_id: words.segments[0]?.value ?? '' }
  }
}
export const group = (kind: Group['kind'], ...parts: Rule[]): Group => ({ kind, parts }) as Group
const isFilled = (step: Step): boolean => (step.where ?? []).every((one) => (Array.isArray(one.value) ? one.value.length > 0 : one.value !== ''))
/** Whether everything is filled in, so that it can be counted: an empty value would be asked as it stands. */
export function isWhole(rule: Rule): boolean {
  if (isGroup(rule)) return rule.parts.length > 0 && rule.parts.every(isWhole)
  switch (rule.kind) {
    case 'not': return isWhole(rule.part)
    case 'tag': return !!rule.tag_id
    case 'segment': return !!rule.segment_id
    case 'tier': return rule.keys.length > 0
    case 'field': return isRuleWhole({ match: 'all', conditions: [rule.test] })
    case 'then': return isFilled(rule.first) && isFilled(rule.then)
    case 'times': case 'spent': case 'largest': return isFilled(rule.step)
    default: return true
  }
}
