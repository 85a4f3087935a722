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
  max?: number
}

/** Whether every field that must be filled is. */
export const isComplete = (fields: Field[], draft: Record<string, unknown>): boolean =>
  fields.every((f) => f.kind === 'switch' || f.empty !== undefined || (draft[f.key] != null && draft[f.key] !== ''))
