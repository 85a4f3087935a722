import { expect, it, vi } from 'vitest'
import { actorIn, namesBy, type Named } from './names'

it('asks for the names of a page once, in handfuls', async () => {
  const ask = vi.fn(async (ids: string[]): Promise<Named[]> => ids.filter((id) => id !== 'nobody').map((id) => ({ member_id: id, nickname: `客人 ${id}`, person_no: 1 })))
  const nameOf = namesBy(ask, 2)
  for (const id of ['a', 'b', 'nobody', 'a']) expect(nameOf(id)).toBeNull()
  await vi.waitFor(() => expect(nameOf('b')?.nickname).toBe('客人 b'))
  await vi.waitFor(() => expect(ask.mock.calls).toEqual([[['a', 'b']], [['nobody']]]))
  expect(nameOf('nobody')).toBeNull()
  expect(ask).toHaveBeenCalledTimes(2)
})

it('says in English who is a member or WeChat Pay, and leaves names of people alone', () => {
  expect(['微信支付', '会员 12', '会员12', '会员小王', '掌柜'].map((one) => actorIn('en', one))).toEqual(['WeChat Pay', 'Member 12', 'Member 12', '会员小王', '掌柜'])
  expect(actorIn('zh-CN', '会员 12')).toBe('会员 12')
})
