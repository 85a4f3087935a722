/** @jest-environment jsdom */
const { classed, open, recorded, requests, start, tap, yuan } = require('./world')

let home
beforeAll(async () => {
  start()
  home = await open('pages/home/home', {})
})

test('home shows what the API answered, under the shop of config.js', () => {
  const asked = requests.find(({ url }) => url.endsWith('/home'))
  expect(asked.url).toBe('https://api.example.cn/shop/v1/home')
  expect(asked.header).toMatchObject({ 'X-Siyu-Shop': 'tea', 'Accept-Language': 'zh-CN' })
  expect(asked.header).not.toHaveProperty('Authorization')
  expect(home.text()).toContain(recorded.home.shop.name)
  for (const card of recorded.home.hot) {
    expect(home.text()).toContain(card.title)
    expect(home.text()).toContain(yuan(card.price_fen))
  }
  const { hot, bundles, activities } = recorded.home
  const cards = hot.length + bundles.length + activities.reduce((sum, { products }) => sum + products.length, 0)
  expect(home.find(classed('product-card', 'pc'))).toHaveLength(cards)
})

test('a tap on a product opens it', async () => {
  await tap(home.find(classed('product-card', 'pc'))[0])
  expect(wx.navigateTo.mock.calls.map(([call]) => call.url)).toEqual([`/commerce/catalog/product?id=${recorded.home.hot[0].product_id}`])
})

test('nothing about behaviour is sent without consent', () => {
  expect(requests.filter(({ url }) => url.includes('/collect/'))).toEqual([])
})
