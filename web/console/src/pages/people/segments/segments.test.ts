import { describe, expect, it } from 'vitest'
import { group, isWhole, type Rule } from './segments'

const order = (where: { prop: string; op: 'eq'; value: string | string[] }[] = []): Rule =>
  ({ kind: 'times', step: { event: 'any.order', where }, op: 'ge', n: 1, days: 30 }) as Rule
const field = (op: 'eq' | 'in' | 'known', value: unknown): Rule => ({ kind: 'field', test: { field: 'rfm_class', op, value } }) as Rule

describe('isWhole', () => {
  it('asks for a value of every filter, however deep', () => {
    expect(isWhole(group('all', order(), order([{ prop: 'page', op: 'eq', value: '/a' }])))).toBe(true)
    expect(isWhole(group('all', order(), group('any', { kind: 'not', part: order([{ prop: 'page', op: 'eq', value: '' }]) } as Rule)))).toBe(false)
    expect(isWhole(order([{ prop: 'page', op: 'eq', value: [] }]))).toBe(false)
  })
  it('asks for a value of both steps of a sequence', () => {
    const empty = { event: 'any.order', where: [{ prop: 'page', op: 'eq', value: '' }] }
    const then = (first: object, second: object): Rule => ({ kind: 'then', first, then: second, within: 3, done: false, days: 30 }) as Rule
    const full = { event: 'any.order', where: [] }
    expect([then(full, full), then(empty, full), then(full, empty)].map(isWhole)).toEqual([true, false, false])
  })
  it('asks a field for something to compare with, unless it is only known or not', () => {
    expect([field('eq', 'hhh'), field('eq', ''), field('in', []), field('in', ['hhh']), field('known', null)].map(isWhole)).toEqual([true, false, false, true, true])
  })
})
