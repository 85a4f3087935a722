import { expect, it } from 'vitest'
import { isOverGuard, ratioOf } from './bonus'

it('measures a bonus against the guard to the fen', () => {
  expect(ratioOf(10_000, 3_000)).toBe(3_000)
  expect(ratioOf(null, 3_000)).toBeNull()
  expect(isOverGuard(10_000, 3_000, 3_000)).toBe(false)
  expect(isOverGuard(10_000, 3_001, 3_000)).toBe(true)
  expect(isOverGuard(null, 1, 0)).toBe(false)
  expect(isOverGuard(10_000, null, 0)).toBe(false)
})
