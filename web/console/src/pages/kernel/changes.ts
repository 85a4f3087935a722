// What an entry of the audit trail says in `detail`: {before, after}, each field to value.
import { money } from '@/format'

export interface Change {
  key: string
  before: string
  after: string
}

const SKU = /^[0-9a-f]{8}-[0-9a-f-]{27}$/

/** Fields in their order; amounts as money. A SKU's prices (field = its id) stand under its last letters. */
export function changesOf(detail: Record<string, unknown>, currency: string): Change[] {
  const before = (detail.before ?? {}) as Record<string, unknown>
  const after = (detail.after ?? {}) as Record<string, unknown>
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((key) => {
    const amount = key.endsWith('_fen') || SKU.test(key)
    const text = (v: unknown): string => {
      if (v == null) return ''
      if (Array.isArray(v)) return v.map(text).filter(Boolean).join(' / ')
      if (typeof v === 'number' && amount) return money(v, currency)
      return typeof v === 'object' ? JSON.stringify(v) : String(v)
    }
    return { key: SKU.test(key) ? `SKU ${key.slice(-8)}` : key, before: text(before[key]), after: text(after[key]) }
  })
}
