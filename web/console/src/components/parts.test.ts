import { describe, expect, it } from 'vitest'
import { isComplete, type Field } from './fields'
import { themeOf } from './states'

describe('a settings form', () => {
  const fields: Field[] = [
    { key: 'limit', label: '', kind: 'money', empty: '不限' },
    { key: 'days', label: '', kind: 'count' },
    { key: 'on', label: '', kind: 'switch' },
  ]
  it('wants what has no meaning when empty', () => {
    expect(isComplete(fields, { limit: null, days: 0, on: false })).toBe(true)
    expect(isComplete(fields, { limit: 5, days: null })).toBe(false)
    expect(isComplete([{ key: 'name', label: '', kind: 'text' }], { name: '' })).toBe(false)
  })
  it('takes no more money than its field', () => {
    const cap: Field[] = [{ key: 'cap', label: '', kind: 'money', max: 1000 }]
    expect([1000, 1001].map((cap_fen) => isComplete(cap, { cap: cap_fen }))).toEqual([true, false])
  })
})

it('gives one meaning one colour', () => {
  expect(['succeeded', 'abnormal', 'waiting', 'closed', 'processing', 'newer_than_us'].map(themeOf)).toEqual(['success', 'danger', 'warning', 'default', 'primary', 'primary'])
})
