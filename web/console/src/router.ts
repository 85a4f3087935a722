import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { useContext } from './api/client'
import { menu } from './layout/menu'
import { useSession } from './session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Locale key of the page's name. */
    title?: string
    /** The permission without which the page is hidden. */
    permission?: string
    open?: boolean
  }
}

const page = (path: string, title: string, permission: string | undefined, component: RouteRecordRaw['component']) =>
  ({ path, component, meta: { title, permission } }) as RouteRecordRaw

export const pages: RouteRecordRaw[] = [
  page('', 'nav.dashboard', 'insight.read', () => import('./pages/insight/metrics/Dashboard.vue')),
  page('metrics', 'nav.metrics', 'insight.read', () => import('./pages/insight/metrics/Metrics.vue')),
  page('metrics/:key', 'nav.metrics', 'insight.read', () => import('./pages/insight/metrics/MetricPage.vue')),
  page('north-star', 'nav.northStar', 'insight.read', () => import('./pages/insight/metrics/NorthStar.vue')),
  page('diagnosis', 'nav.diagnosis', 'insight.read', () => import('./pages/insight/metrics/Diagnosis.vue')),
  page('live', 'nav.live', 'insight.read', () => import('./pages/insight/behaviour/Live.vue')),
  page('ask', 'nav.analysis', 'insight.read', () => import('./pages/insight/behaviour/Ask.vue')),
  page('boards', 'nav.boards', 'insight.read', () => import('./pages/insight/behaviour/Boards.vue')),
  page('boards/:id', 'nav.boards', 'insight.read', () => import('./pages/insight/behaviour/BoardPage.vue')),
  page('events', 'nav.events', 'insight.read', () => import('./pages/insight/behaviour/Events.vue')),
  page('event-types', 'nav.eventTypes', 'insight.read', () => import('./pages/warehouse/EventTypes.vue')),
  page('digests', 'nav.digests', 'insight.read', () => import('./pages/insight/behaviour/Digests.vue')),
  page('segments', 'nav.segments', 'insight.read', () => import('./pages/people/segments/Segments.vue')),
  page('segments/new', 'nav.segments', 'insight.write', () => import('./pages/people/segments/SegmentEditor.vue')),
  page('segments/:id', 'nav.segments', 'insight.read', () => import('./pages/people/segments/SegmentPage.vue')),
  page('segments/:id/edit', 'nav.segments', 'insight.write', () => import('./pages/people/segments/SegmentEditor.vue')),
  page('orders', 'nav.orders', 'orders.read', () => import('./pages/commerce/ordering/OrderList.vue')),
  page('shipping', 'nav.shipping', 'orders.read', () => import('./pages/commerce/fulfilment/Shipping.vue')),
  page('after-sale', 'nav.afterSale', 'after_sale.read', () => import('./pages/commerce/after_sale/Desk.vue')),
  page('products', 'nav.products', 'products.read', () => import('./pages/commerce/catalog/ProductList.vue')),
  page('products/:id', 'nav.products', 'products.read', () => import('./pages/commerce/catalog/ProductEditor.vue')),
  page('categories', 'nav.categories', 'products.read', () => import('./pages/commerce/catalog/CategoryList.vue')),
  page('decoration', 'nav.decoration', 'products.read', () => import('./pages/commerce/catalog/Decoration.vue')),
  page('campaigns', 'nav.campaigns', 'prices.read', () => import('./pages/commerce/promotions/Campaigns.vue')),
  page('freight', 'nav.freight', 'prices.read', () => import('./pages/commerce/promotions/ShippingTemplates.vue')),
  page('stock', 'nav.stock', 'stock.read', () => import('./pages/commerce/inventory/StockList.vue')),
  page('reviews', 'nav.reviews', 'reviews.read', () => import('./pages/commerce/reviews/ReviewDesk.vue')),
  page('bulk', 'nav.bulk', 'shop.read', () => import('./pages/commerce/bulk/BulkTasks.vue')),
  page('coupons', 'nav.coupons', 'coupons.read', () => import('./pages/commerce/coupons/CouponList.vue')),
  page('gifts', 'nav.gifts', 'orders.read', () => import('./pages/growth/gifting/Gifts.vue')),
  page('merges', 'nav.merges', 'members.read', () => import('./pages/people/members/MergeQueue.vue')),
  page('members', 'nav.members', 'members.read', () => import('./pages/people/members/MemberList.vue')),
  page('members/:id', 'nav.members', 'members.read', () => import('./pages/people/profiles/PersonPage.vue')),
  page('tiers', 'nav.tiers', 'members.read', () => import('./pages/people/profiles/Tiers.vue')),
  page('tags', 'nav.tags', 'members.read', () => import('./pages/people/profiles/Tags.vue')),
  page('fields', 'nav.fields', 'members.read', () => import('./pages/people/profiles/Fields.vue')),
  page('messages', 'nav.messages', 'outreach.read', () => import('./pages/people/outreach/Messages.vue')),
  page('messages/:id', 'nav.messages', 'outreach.read', () => import('./pages/people/outreach/CampaignPage.vue')),
  page('message-templates', 'nav.messageTemplates', 'outreach.read', () => import('./pages/people/outreach/Templates.vue')),
  page('attention', 'nav.attention', 'outreach.read', () => import('./pages/people/outreach/Attention.vue')),
  page('experiments', 'nav.experiments', 'insight.read', () => import('./pages/people/experiments/ExperimentList.vue')),
  page('experiments/:id', 'nav.experiments', 'insight.read', () => import('./pages/people/experiments/ExperimentPage.vue')),
  page('privacy', 'nav.privacy', 'members.read', () => import('./pages/people/privacy/Privacy.vue')),
  page('rulebook', 'nav.rulebook', 'shop.read', () => import('./pages/compliance/Rulebook.vue')),
  page('proof', 'nav.proof', 'money.read', () => import('./pages/money/ledger/Proof.vue')),
  page('reconciliation', 'nav.reconciliation', 'money.read', () => import('./pages/money/reconciliation/Reconciliation.vue')),
  page('refunds', 'nav.refunds', 'money.read', () => import('./pages/money/payments/Refunds.vue')),
  page('suspense', 'nav.suspense', 'money.read', () => import('./pages/money/payments/Suspense.vue')),
  page('splits', 'nav.splits', 'money.read', () => import('./pages/money/profit_sharing/Splits.vue')),
  page('payouts', 'nav.payouts', 'money.read', () => import('./pages/money/payouts/Payouts.vue')),
  page('wallets', 'nav.wallets', 'money.read', () => import('./pages/money/stored_value/Wallets.vue')),
  page('points', 'nav.points', 'money.read', () => import('./pages/money/points/PointsPage.vue')),
  page('settings/account', 'nav.account', undefined, () => import('./pages/merchant/staff/Account.vue')),
  page('settings/shop', 'nav.shopProfile', 'shop.read', () => import('./pages/merchant/shops/ShopProfile.vue')),
  page('settings/wechat', 'nav.wechat', 'shop.read', () => import('./pages/merchant/shops/WeChatSettings.vue')),
  page('settings/doctor', 'nav.doctor', 'shop.read', () => import('./pages/merchant/shops/Doctor.vue')),
  page('settings/staff', 'nav.staff', 'staff.manage', () => import('./pages/merchant/staff/StaffList.vue')),
  page('settings/work', 'nav.work', 'jobs.manage', () => import('./pages/kernel/BackgroundWork.vue')),
  page('settings/imports', 'nav.imports', 'orders.read', () => import('./pages/commerce/ordering/ImportList.vue')),
  page('settings/audit', 'nav.audit', 'audit.read', () => import('./pages/kernel/AuditTrail.vue')),
]

export const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    { path: '/login', component: () => import('./pages/merchant/staff/Login.vue'), meta: { open: true } },
    { path: '/', component: () => import('./layout/Layout.vue'), children: pages },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
})

router.beforeEach(async (to) => {
  const session = useSession()
  if (to.meta.open) return true
  if (!(await session.restore())) return { path: '/login', query: to.path === '/' ? {} : { to: to.fullPath } }
  // Whoever may not see the figures begins with the first page that the role allows.
  if (to.path === '/' && !session.may('insight.read')) {
    const first = menu.flatMap((group) => group.items).find((item) => !item.permission || session.may(item.permission))
    return first?.path ?? '/settings/account'
  }
  return true
})

useContext({
  onSignedOut: () => {
    const session = useSession()
    session.apply(null)
    if (!router.currentRoute.value.meta.open) void router.push('/login')
  },
})
