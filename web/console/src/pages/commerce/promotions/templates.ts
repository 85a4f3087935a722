// A shipping template as the editor holds it: regions are words, `广东省` or `广东省 深圳市`.
import type { Body, Item } from '@/api/types'

export type Template = Item<'/admin/v1/shipping-templates'>
export type Plan = Body<'/admin/v1/shipping-templates'>['plan']
export type Rate = NonNullable<Plan['otherwise']>
export interface RateDraft { sent: boolean; first_fen: number | null; first_units: number; next_fen: number | null; next_units: number; free_from_fen: number | null; free_from_pieces: number | null }
export interface AreaDraft { regions: string[]; rate: RateDraft }
export interface Draft { name: string; charge_by: Plan['charge_by']; otherwise: RateDraft; areas: AreaDraft[] }

export const PROVINCES = '北京市 天津市 河北省 山西省 内蒙古自治区 辽宁省 吉林省 黑龙江省 上海市 江苏省 浙江省 安徽省 福建省 江西省 山东省 河南省 湖北省 湖南省 广东省 广西壮族自治区 海南省 重庆市 四川省 贵州省 云南省 西藏自治区 陕西省 甘肃省 青海省 宁夏回族自治区 新疆维吾尔自治区 台湾省 香港特别行政区 澳门特别行政区'.split(' ')
export const CHARGES = ['weight', 'piece', 'flat'] as const

export const rateOf = (rate: Rate | null | undefined): RateDraft => ({
  sent: rate !== null, first_fen: rate?.first_fen ?? null, first_units: rate?.first_units ?? 1, next_fen: rate?.next_fen ?? 0, next_units: rate?.next_units ?? 1,
  free_from_fen: rate?.free_from_fen ?? null, free_from_pieces: rate?.free_from_pieces ?? null,
})
export const blank = (): Draft => ({ name: '', charge_by: 'weight', otherwise: { ...rateOf(undefined), first_units: 1000, next_units: 1000 }, areas: [] })
export const draftOf = (template: Template): Draft => ({
  name: template.name, charge_by: template.plan.charge_by, otherwise: rateOf(template.plan.otherwise),
  areas: (template.plan.areas ?? []).map((area) => ({ regions: area.regions.map((r) => [r.province, r.city].filter(Boolean).join(' ')), rate: rateOf(area.rate) })),
})

function bodyOfRate({ sent, ...rate }: RateDraft): Rate | null {
  return sent ? { ...rate, first_fen: rate.first_fen ?? 0, next_fen: rate.next_fen ?? 0 } : null
}
export const bodyOf = (d: Draft): { name: string; plan: Plan } => ({
  name: d.name.trim(),
  plan: {
    charge_by: d.charge_by, otherwise: bodyOfRate(d.otherwise),
    areas: d.areas.map((area) => ({
      regions: area.regions.map((words) => {
        const [province = '', ...city] = words.trim().split(/\s+/)
        return { province, city: city.join('') }
      }),
      rate: bodyOfRate(area.rate),
    })),
  },
})

export const isWhole = (d: Draft): boolean =>
  d.name.trim() !== '' && [d.otherwise, ...d.areas.map((a) => a.rate)].every((r) => !r.sent || r.first_fen != null) && d.areas.every((a) => a.regions.length > 0)
