// What a settings form is made of.
export interface Field {
  key: string
  label: string
  kind: 'money' | 'percent' | 'count' | 'switch' | 'choice' | 'text'
  hint?: string
  /** What an empty field means ("no limit"); a field without it must be filled. */
  empty?: string
  options?: { value: string; label: string }[]
  unit?: string
  min?: number
  /** Of a number the largest, of money in fen; of a text its length. */
  max?: number
}

/** Whether an amount is more than its field takes. */
export const isTooMuch = (field: Field, value: unknown): boolean => field.kind === 'money' && field.max !== undefined && typeof value === 'number' && value > field.max

/** Whether every field that must be filled is, and none holds too much. */
export const isComplete = (fields: Field[], draft: Record<string, unknown>): boolean =>
  fields.every((f) => f.kind === 'switch' || f.empty !== undefined || (draft[f.key] != null && draft[f.key] !== '' && !isTooMuch(f, draft[f.key])))
