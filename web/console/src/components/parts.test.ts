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
})

it('gives one meaning one colour', () => {
  expect(['succeeded', 'abnormal', 'waiting', 'closed', 'processing', 'newer_than_us'].map(themeOf)).toEqual(['success', 'danger', 'warning', 'default', 'primary', 'primary'])
})
