/** @jest-environment jsdom */
/**
 * The compiled mini program, run in its simulator: uni-app's runtime, our pages and our requests, with recorded answers
 * of the real API instead of a network.
 */
const { join, resolve } = require('node:path')

const root = resolve(process.env.MP_ROOT ?? join(__dirname, '../shop/dist/mp-weixin'))
const recorded = { home: require('./recorded/home.json'), product: require('./recorded/product.json'), consents: require('./recorded/consents.json') }
const requests = []
let front = 'pages/home/home'

// What WeChat puts into every program before its first line.
global.App = (app) => (global.theApp = Object.assign({ globalData: {} }, app))
global.Page = () => {}
global.getApp = () => global.theApp
global.getCurrentPages = () => [{ route: front }]
const simulate = require('miniprogram-simulate')

const answers = {
  'GET /shop/v1/home': () => recorded.home,
  'GET /shop/v1/consents': () => recorded.consents,
  [`GET /shop/v1/products/${recorded.product.product_id}`]: () => recorded.product,
}
function request({ url, method = 'GET', header, data, success, fail }) {
  requests.push({ url, method, header, data })
  const path = url.replace('https://api.example.cn', '')
  const answer = answers[`${method} ${path}`]
  setTimeout(() => (answer
    ? success({ statusCode: 200, data: JSON.parse(JSON.stringify(answer())), header: {} })
    : fail({ errMsg: `request:fail ${method} ${path} was not recorded` })), 0)
  return {}
}
const kept = new Map()
const screen = { windowWidth: 375, windowHeight: 812, screenHeight: 812, pixelRatio: 3, statusBarHeight: 44, safeArea: { top: 44, bottom: 778, left: 0, right: 375 } }
const nothing = () => {}
Object.assign(wx, {
  request,
  getSystemInfoSync: () => ({ platform: 'devtools', SDKVersion: '3.8.0', language: 'zh_CN', model: 'iPhone', brand: 'apple', system: 'iOS 17.0', version: '8.0.50', ...screen }),
  getWindowInfo: () => screen,
  getDeviceInfo: () => ({ platform: 'devtools', model: 'iPhone', brand: 'apple', system: 'iOS 17.0' }),
  getAppBaseInfo: () => ({ SDKVersion: '3.8.0', language: 'zh_CN', version: '8.0.50' }),
  getMenuButtonBoundingClientRect: () => ({ top: 48, left: 281, right: 368, bottom: 80, width: 87, height: 32 }),
  getLaunchOptionsSync: () => ({}),
  getEnterOptionsSync: () => ({}),
  getAccountInfoSync: () => ({ miniProgram: { appId: 'wx0000000000000000' } }),
  getStorageSync: (key) => kept.get(key) ?? '',
  setStorageSync: (key, value) => void kept.set(key, value),
  removeStorageSync: (key) => void kept.delete(key),
  canIUse: () => true,
  onAppShow: nothing,
  onAppHide: nothing,
  onLocaleChange: nothing,
  setTabBarItem: nothing,
  setTabBarBadge: nothing,
  removeTabBarBadge: nothing,
  showToast: jest.fn(),
  navigateTo: jest.fn(),
  createIntersectionObserver: () => {
    const observer = { relativeToViewport: () => observer, observe: nothing, disconnect: nothing }
    return observer
  },
})

const settle = () => simulate.sleep(150)
async function open(route, query) {
  front = route
  const page = simulate.render(simulate.load(join(root, route), { rootPath: root, compiler: 'official' }), {})
  const place = document.createElement('div')
  document.body.appendChild(place)
  page.attach(place)
  page.instance.onLoad?.(query)
  page.instance.onShow?.()
  await settle()
  return { page, text: () => (place.textContent ?? '').replace(/\s+/g, ' '), find: (selector) => place.querySelectorAll(selector) }
}

/** 8900 -> ['¥', '89', '.00'] joined: how the shop writes money. */
const yuan = (fen) => `¥${String(Math.floor(fen / 100)).replace(/\B(?=(\d{3})+$)/g, ',')}.${String(fen % 100).padStart(2, '0')}`
// The simulator writes a component's classes with its name in front.
const CARD = '[class~="product-card--pc"]'
const tap = (element) => element.dispatchEvent(new CustomEvent('tap', { bubbles: true }))

beforeAll(() => {
  Object.assign(require(join(root, 'config.js')).config, { apiHost: 'https://api.example.cn', shopCode: 'tea' })
  require(join(root, 'app.js'))
})

let home
beforeAll(async () => {
  home = await open('pages/home/home', {})
})

test('home shows what the API answered, under the shop of config.js', async () => {
  const { text, find } = home
  const asked = requests.find(({ url }) => url.endsWith('/home'))
  expect(asked.url).toBe('https://api.example.cn/shop/v1/home')
  expect(asked.header).toMatchObject({ 'X-Siyu-Shop': 'tea', 'Accept-Language': 'zh-CN' })
  expect(asked.header).not.toHaveProperty('Authorization')
  expect(text()).toContain(recorded.home.shop.name)
  for (const card of recorded.home.hot) {
    expect(text()).toContain(card.title)
    expect(text()).toContain(yuan(card.price_fen))
  }
  const cards = recorded.home.hot.length + recorded.home.bundles.length
    + recorded.home.activities.reduce((sum, activity) => sum + activity.products.length, 0)
  expect(find(CARD)).toHaveLength(cards)
})

test('a tap on a product opens it', async () => {
  tap(home.find(CARD)[0])
  await settle()
  expect(wx.navigateTo.mock.calls.map(([call]) => call.url)).toEqual([`/commerce/catalog/product?id=${recorded.home.hot[0].product_id}`])
})

test('a product shows its price, and its sheet offers every option', async () => {
  const { text, find } = await open('commerce/catalog/product', { id: recorded.product.product_id })
  expect(text()).toContain(recorded.product.title)
  expect(text()).toContain(yuan(Math.min(...recorded.product.skus.map((sku) => sku.price_fen))))
  tap(find('[class~="s-button--s-btn--soft"]')[1])
  await settle()
  for (const { values } of recorded.product.options) for (const value of values) expect(text()).toContain(value)
})

test('nothing about behaviour is sent without consent', () => {
  expect(requests.filter(({ url }) => url.includes('/collect/'))).toEqual([])
})
