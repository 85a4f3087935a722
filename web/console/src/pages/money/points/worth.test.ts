import { expect, it } from 'vitest'
import { backOf } from './worth'

it('says what points give back of a price', () => {
  expect(backOf({ is_enabled: true, earned_per_yuan: 1, points_per_yuan: 100 })).toBe(100)
  expect(backOf({ is_enabled: true, earned_per_yuan: 3, points_per_yuan: 70 })).toBe(429)
  expect(backOf({ is_enabled: false, earned_per_yuan: 1, points_per_yuan: 100 })).toBe(0)
  expect(backOf({ is_enabled: true, earned_per_yuan: 1, points_per_yuan: 0 })).toBe(0)
})
