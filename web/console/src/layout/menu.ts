// The side menu: groups in the order of a working day.
import type { Component } from 'vue'
import {
  AppIcon, CalendarIcon, CartIcon, ChatHeartIcon, CouponIcon, DashboardIcon, DiscountIcon, SendIcon, FileExcelIcon, FileImportIcon, FileSearchIcon, ForkIcon, GiftIcon, HelpCircleIcon, HomeIcon, LayersIcon,
  LogoWechatStrokeIcon, MapLocationIcon, MoneyIcon, RollbackIcon, ServerIcon, ServiceIcon, ShopIcon, ShutterIcon, StarIcon, SystemSettingIcon,
  ChartIcon, ControlPlatformIcon, FilterIcon, MailIcon, TimeIcon, UserListIcon, ViewListIcon, UsergroupIcon, UserSafetyIcon, VerifiedIcon, WalletIcon, SecuredIcon, RulerIcon,
} from 'tdesign-icons-vue-next'

export interface MenuItem {
  path: string
  title: string
  icon: Component
  permission?: string
}

export const menu: { title: string; items: MenuItem[] }[] = [
  {
    title: 'nav.insight',
    items: [
      { path: '/', title: 'nav.dashboard', icon: DashboardIcon, permission: 'insight.read' },
      { path: '/north-star', title: 'nav.northStar', icon: StarIcon, permission: 'insight.read' },
      { path: '/metrics', title: 'nav.metrics', icon: ChartIcon, permission: 'insight.read' },
      { path: '/diagnosis', title: 'nav.diagnosis', icon: HelpCircleIcon, permission: 'insight.read' },
      { path: '/live', title: 'nav.live', icon: TimeIcon, permission: 'insight.read' },
      { path: '/ask', title: 'nav.analysis', icon: FilterIcon, permission: 'insight.read' },
      { path: '/boards', title: 'nav.boards', icon: ChartIcon, permission: 'insight.read' },
      { path: '/events', title: 'nav.events', icon: ViewListIcon, permission: 'insight.read' },
      { path: '/event-types', title: 'nav.eventTypes', icon: ControlPlatformIcon, permission: 'insight.read' },
      { path: '/digests', title: 'nav.digests', icon: MailIcon, permission: 'insight.read' },
    ],
  },
  {
    title: 'nav.commerce',
    items: [
      { path: '/orders', title: 'nav.orders', icon: CartIcon, permission: 'orders.read' },
      { path: '/shipping', title: 'nav.shipping', icon: SendIcon, permission: 'orders.read' },
      { path: '/after-sale', title: 'nav.afterSale', icon: ServiceIcon, permission: 'after_sale.read' },
      { path: '/reviews', title: 'nav.reviews', icon: ChatHeartIcon, permission: 'reviews.read' },
      { path: '/products', title: 'nav.products', icon: AppIcon, permission: 'products.read' },
      { path: '/categories', title: 'nav.categories', icon: LayersIcon, permission: 'products.read' },
      { path: '/coupons', title: 'nav.coupons', icon: CouponIcon, permission: 'coupons.read' },
      { path: '/decoration', title: 'nav.decoration', icon: HomeIcon, permission: 'products.read' },
      { path: '/campaigns', title: 'nav.campaigns', icon: DiscountIcon, permission: 'prices.read' },
      { path: '/freight', title: 'nav.freight', icon: MapLocationIcon, permission: 'prices.read' },
      { path: '/stock', title: 'nav.stock', icon: ServerIcon, permission: 'stock.read' },
      { path: '/bulk', title: 'nav.bulk', icon: FileExcelIcon, permission: 'shop.read' },
    ],
  },
  { title: 'nav.growth', items: [{ path: '/gifts', title: 'nav.gifts', icon: GiftIcon, permission: 'orders.read' }] },
  { title: 'nav.people', items: [{ path: '/members', title: 'nav.members', icon: UsergroupIcon, permission: 'members.read' }, { path: '/merges', title: 'nav.merges', icon: UserListIcon, permission: 'members.read' }, { path: '/tiers', title: 'nav.tiers', icon: LayersIcon, permission: 'members.read' }, { path: '/tags', title: 'nav.tags', icon: DiscountIcon, permission: 'members.read' }, { path: '/fields', title: 'nav.fields', icon: ViewListIcon, permission: 'members.read' }, { path: '/segments', title: 'nav.segments', icon: UserListIcon, permission: 'insight.read' }, { path: '/experiments', title: 'nav.experiments', icon: ControlPlatformIcon, permission: 'insight.read' }, { path: '/messages', title: 'nav.messages', icon: SendIcon, permission: 'outreach.read' }, { path: '/message-templates', title: 'nav.messageTemplates', icon: MailIcon, permission: 'outreach.read' }, { path: '/attention', title: 'nav.attention', icon: TimeIcon, permission: 'outreach.read' }] },
  {
    title: 'nav.compliance',
    items: [
      { path: '/privacy', title: 'nav.privacy', icon: SecuredIcon, permission: 'members.read' },
      { path: '/rulebook', title: 'nav.rulebook', icon: RulerIcon, permission: 'shop.read' },
    ],
  },
  {
    title: 'nav.money',
    items: [
      { path: '/proof', title: 'nav.proof', icon: VerifiedIcon, permission: 'money.read' },
      { path: '/reconciliation', title: 'nav.reconciliation', icon: CalendarIcon, permission: 'money.read' },
      { path: '/refunds', title: 'nav.refunds', icon: RollbackIcon, permission: 'money.read' },
      { path: '/suspense', title: 'nav.suspense', icon: HelpCircleIcon, permission: 'money.read' },
      { path: '/splits', title: 'nav.splits', icon: ForkIcon, permission: 'money.read' },
      { path: '/payouts', title: 'nav.payouts', icon: MoneyIcon, permission: 'money.read' },
      { path: '/wallets', title: 'nav.wallets', icon: WalletIcon, permission: 'money.read' },
      { path: '/points', title: 'nav.points', icon: StarIcon, permission: 'money.read' },
    ],
  },
  {
    title: 'nav.settings',
    items: [
      { path: '/settings/shop', title: 'nav.shopProfile', icon: ShopIcon, permission: 'shop.read' },
      { path: '/settings/wechat', title: 'nav.wechat', icon: LogoWechatStrokeIcon, permission: 'shop.read' },
      { path: '/settings/doctor', title: 'nav.doctor', icon: ShutterIcon, permission: 'shop.read' },
      { path: '/settings/staff', title: 'nav.staff', icon: UserSafetyIcon, permission: 'staff.manage' },
      { path: '/settings/audit', title: 'nav.audit', icon: FileSearchIcon, permission: 'audit.read' },
      { path: '/settings/work', title: 'nav.work', icon: SystemSettingIcon, permission: 'jobs.manage' },
      { path: '/settings/imports', title: 'nav.imports', icon: FileImportIcon, permission: 'orders.read' },
    ],
  },
]
