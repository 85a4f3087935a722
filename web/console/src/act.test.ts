import { describe, expect, it, vi } from 'vitest'
import { useAct } from './act'

vi.mock('tdesign-vue-next', () => ({ MessagePlugin: { success: vi.fn(), error: vi.fn() } }))

describe('a decision', () => {
  it('keeps its key for repeats, and gets a new one when it has worked', async () => {
    const act = useAct()
    const keys: string[] = []
    const work = (fails: boolean) => async (headers: { 'Idempotency-Key': string }) => {
      keys.push(headers['Idempotency-Key'])
      if (fails) throw new Error('余额不足')
    }
    expect(await act.run(work(true))).toBe(false)
    expect(act.refusal).toBe('余额不足')
    expect(await act.run(work(false))).toBe(true)
    expect(act.refusal).toBe('')
    await act.run(work(true))
    act.begin()
    await act.run(work(false))
    expect(keys[0]).toBe(keys[1])
    expect(new Set(keys).size).toBe(3)
    expect(act.busy).toBe(false)
  })
})
