import type { CouponFace } from '@/api/types'
import { lastMoment, money } from '@/format'
import { locale, t } from '@/i18n'

const short = (fen: number): string => money(fen).replace(/\.00$/, '')

/** What stands large on a coupon: `¥10`, `8.5折`, `兑`; and the unit beside it. */
export function worth(face: CouponFace): string {
  const { gives } = face
  if (gives.type === 'fixed') return short(gives.off_fen)
  if (gives.type === 'exchange') return gives.pay_fen ? short(gives.pay_fen) : t('coupon.free')
  return locale.value === 'zh-CN'
    ? t('coupon.fold', { n: String(gives.pay_bps / 1000) })
    : t('coupon.fold', { n: String((10_000 - gives.pay_bps) / 100) })
}

/** From which amount, and up to which reduction. */
export function condition(face: CouponFace): string {
  const { gives } = face
  const parts = [
    face.from_fen ? t('coupon.from', { sum: short(face.from_fen) }) : t('coupon.fromAny'),
    gives.type === 'percent' && gives.cap_fen ? t('coupon.cap', { sum: short(gives.cap_fen) }) : '',
    gives.type === 'exchange' ? t('coupon.pieces', { n: gives.pieces ?? 1 }) : '',
  ]
  return parts.filter(Boolean).join(' · ')
}

/** What it is good for, when that is not everything. */
export function limits(face: CouponFace): string {
  const { category_ids = [], product_ids = [], sku_ids = [] } = face.scope
  const parts = [
    category_ids.length + product_ids.length + sku_ids.length ? t('coupon.some') : t('coupon.all'),
    face.issue === 'first_order' ? t('coupon.firstOrder') : '',
    face.full_price_only ? t('coupon.fullPrice') : '',
  ]
  return parts.filter(Boolean).join(' · ')
}

/** Until when it can be used. */
export const until = (end: string): string => t('coupon.until', { at: lastMoment(end) })
