import { expect, it, vi } from 'vitest'
import { namesBy, type Named } from './names'

it('asks for the names of a page once, in handfuls', async () => {
  const ask = vi.fn(async (ids: string[]): Promise<Named[]> => ids.filter((id) => id !== 'nobody').map((id) => ({ member_id: id, nickname: `客人 ${id}`, person_no: 1 })))
  const nameOf = namesBy(ask, 2)
  for (const id of ['a', 'b', 'nobody', 'a']) expect(nameOf(id)).toBeNull()
  await vi.waitFor(() => expect(nameOf('b')?.nickname).toBe('客人 b'))
  await vi.waitFor(() => expect(ask.mock.calls).toEqual([[['a', 'b']], [['nobody']]]))
  expect(nameOf('nobody')).toBeNull()
  expect(ask).toHaveBeenCalledTimes(2)
})
