import { flushPromises, mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { defineComponent, h } from 'vue'
import { useKeyset, useLoad, type PageOf } from './load'

function within<T>(setup: () => T): T {
  let made!: T
  mount(defineComponent({ setup: () => ((made = setup()), () => h('div')) }))
  return made
}

describe('useLoad', () => {
  it('drops the late answer to an old question', async () => {
    const answers: ((text: string) => void)[] = []
    const loaded = within(() => useLoad(() => new Promise<string>((resolve) => answers.push(resolve))))
    void loaded.reload()
    answers[1]?.('new')
    await flushPromises()
    answers[0]?.('old')
    await flushPromises()
    expect([loaded.value.value, loaded.loading.value]).toEqual(['new', false])
  })
  it('keeps what it has when asking again fails, and says why', async () => {
    const ask = vi.fn().mockResolvedValueOnce('first').mockRejectedValueOnce(new Error('refused'))
    const loaded = within(() => useLoad(ask))
    await flushPromises()
    await loaded.reload()
    expect([loaded.value.value, loaded.error.value]).toEqual(['first', 'refused'])
  })
})

describe('useKeyset', () => {
  const pages: Record<string, PageOf<number>> = {
    start: { items: [1, 2], next_cursor: 'a' }, a: { items: [3, 4], next_cursor: 'b' }, b: { items: [5], next_cursor: null },
  }
  it('walks forth and back by key and begins anew', async () => {
    const asked: (string | undefined)[] = []
    const list = within(() => useKeyset((cursor) => (asked.push(cursor), Promise.resolve(pages[cursor ?? 'start'] as PageOf<number>))))
    await flushPromises()
    await list.next()
    await list.next()
    expect(list.page.value?.items).toEqual([5])
    await list.next()
    expect(list.trail.value).toHaveLength(3)
    await list.back()
    expect(list.page.value?.items).toEqual([3, 4])
    await list.restart()
    await list.back()
    expect(asked).toEqual([undefined, 'a', 'b', 'b', 'a', undefined, undefined])
  })
})
