/**
 * The compiled mini program in its simulator: uni-app's runtime, our pages and our requests, with recorded answers of the
 * real API instead of a network. The simulator runs a component's code once, so a test file opens one page.
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
const exparser = require('miniprogram-exparser')
const simulate = require('miniprogram-simulate')

const answers = {
  'GET /shop/v1/home': () => recorded.home,
  'GET /shop/v1/consents': () => recorded.consents,
  'GET /shop/v1/experiments': () => ({ items: [] }),
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

const settle = () => simulate.sleep(300)
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

/** 4900 -> ¥49.00: how the shop writes money. */
const yuan = (fen) => `¥${String(Math.floor(fen / 100)).replace(/\B(?=(\d{3})+$)/g, ',')}.${String(fen % 100).padStart(2, '0')}`

/** A finger on an element, as the simulator's own event. */
async function tap(element) {
  const originalEvent = new CustomEvent('tap')
  exparser.Event.dispatchEvent(element.__wxElement, exparser.Event.create('tap', {}, { originalEvent, bubbles: true, capturePhase: true, composed: true }))
  await settle()
}

/** Elements with the class `name` of a component; the simulator writes the component's name in front. */
const classed = (component, name) => `[class~="${component}--${name}"]`

function start() {
  Object.assign(require(join(root, 'config.js')).config, { apiHost: 'https://api.example.cn', shopCode: 'tea' })
  require(join(root, 'app.js'))
}

module.exports = { classed, open, recorded, requests, settle, start, tap, yuan }
