import { describe, expect, it } from 'vitest'
import { dialogsOf, dueIn, needsWord } from './cases'

describe('a deadline', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  it.each([
    ['2026-11-22T12:30:00Z', { unit: 'minutes', n: 30, isOver: false }],
    ['2026-11-23T12:30:00Z', { unit: 'hours', n: 24, isOver: false }],
    ['2026-11-25T12:00:00Z', { unit: 'days', n: 3, isOver: false }],
    ['2026-11-22T10:00:00Z', { unit: 'hours', n: 2, isOver: true }],
    ['2026-11-22T12:00:00Z', { unit: 'minutes', n: 0, isOver: true }],
  ])('at %s', (at, due) => expect(dueIn(at, now)).toEqual(due))
})
it('makes one dialog of accepting and not accepting what came back', () => {
  expect(dialogsOf(['pass', 'fail'])).toEqual(['receive'])
  expect(dialogsOf(['refund', 'ship_exchange'])).toEqual(['refund', 'ship_exchange'])
  expect(dialogsOf([])).toEqual([])
})
it('wants a word when less is given', () => {
  expect([needsWord(90, 100), needsWord(100, 100), needsWord(null, 100)]).toEqual([true, false, false])
})
