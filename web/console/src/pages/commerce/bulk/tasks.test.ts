import { describe, expect, it } from 'vitest'
import { isUnderWay, percent, sampleOf } from './tasks'

describe('bulk tasks', () => {
  it('are at 100 % only when all lines are done', () => {
    expect(percent({ done_lines: 999, total_lines: 1000 })).toBe(99)
    expect(percent({ done_lines: 1000, total_lines: 1000 })).toBe(100)
    expect(percent({ done_lines: 3, total_lines: 0 })).toBe(0)
  })
  it('are under way while they wait or run', () => {
    expect((['draft', 'queued', 'running', 'done', 'failed', 'cancelled'] as const).filter((state) => isUnderWay({ state }))).toEqual(['queued', 'running'])
  })
  it('show the first words that stand in a column', () => {
    expect(sampleOf({ sample: [['', 'a'], ['b', 'c']] }, 0)).toBe('b')
    expect(sampleOf({ sample: [['x']] }, 5)).toBe('')
  })
})
