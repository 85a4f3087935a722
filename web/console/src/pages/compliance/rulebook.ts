// A text with the places of its findings marked.
import type { paths } from '@/api/schema'

export type Checked = paths['/admin/v1/rulebook/check']['post']['responses'][200]['content']['application/json']
type Finding = Pick<Checked['findings'][number], 'start' | 'end' | 'verdict'>
export const SCENES = ['moments', 'message', 'article', 'group', 'product', 'campaign', 'lottery', 'distribution', 'payment', 'gift'] as const
export type Scene = (typeof SCENES)[number]
export const THEME = { block: 'danger', legal: 'warning', warn: 'default' } as const

/** The text cut where findings begin and end; where several overlap the gravest (the first given) shows. */
export function parts(text: string, findings: Finding[]): { text: string; verdict?: Finding['verdict'] }[] {
  // The server counts characters, JavaScript counts UTF-16 units.
  const letters = [...text]
  const cuts = [...new Set([0, letters.length, ...findings.flatMap((one) => [one.start, one.end])])].sort((a, b) => a - b)
  return cuts.slice(1).map((end, n) => {
    const start = cuts[n]!
    return { text: letters.slice(start, end).join(''), verdict: findings.find((one) => one.start <= start && end <= one.end)?.verdict }
  })
}
