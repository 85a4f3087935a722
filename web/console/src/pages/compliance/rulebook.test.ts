import { describe, expect, it } from 'vitest'
import { parts } from './rulebook'

describe('parts', () => {
  it('marks places by characters, also after a character of two units', () => {
    expect(parts('🍵不转不行', [{ start: 1, end: 3, verdict: 'block' }])).toEqual([
      { text: '🍵', verdict: undefined },
      { text: '不转', verdict: 'block' },
      { text: '不行', verdict: undefined },
    ])
  })
  it('shows the first of two that overlap and loses no character', () => {
    const found = parts('abcdef', [{ start: 0, end: 4, verdict: 'block' }, { start: 2, end: 6, verdict: 'warn' }])
    expect(found.map((one) => one.text).join('')).toBe('abcdef')
    expect(found.map((one) => one.verdict)).toEqual(['block', 'block', 'warn'])
  })
})
