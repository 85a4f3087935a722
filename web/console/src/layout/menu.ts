// The side menu: groups in the order of a working day.
import type { Component } from 'vue'
import {
  AppIcon, CartIcon, DashboardIcon, FileImportIcon, FileSearchIcon, HomeIcon, LayersIcon, LogoWechatStrokeIcon, ServerIcon, ShopIcon,
  ShutterIcon, SystemSettingIcon, UsergroupIcon, UserSafetyIcon, WalletIcon,
} from 'tdesign-icons-vue-next'

export interface MenuItem {
  path: string
  title: string
  icon: Component
  permission?: string
}

export const menu: { title: string; items: MenuItem[] }[] = [
  { title: 'nav.insight', items: [{ path: '/', title: 'nav.dashboard', icon: DashboardIcon, permission: 'insight.read' }] },
  {
    title: 'nav.commerce',
    items: [
      { path: '/orders', title: 'nav.orders', icon: CartIcon, permission: 'orders.read' },
      { path: '/products', title: 'nav.products', icon: AppIcon, permission: 'products.read' },
      { path: '/categories', title: 'nav.categories', icon: LayersIcon, permission: 'products.read' },
      { path: '/decoration', title: 'nav.decoration', icon: HomeIcon, permission: 'products.read' },
      { path: '/stock', title: 'nav.stock', icon: ServerIcon, permission: 'stock.read' },
    ],
  },
  { title: 'nav.people', items: [{ path: '/members', title: 'nav.members', icon: UsergroupIcon, permission: 'members.read' }] },
  { title: 'nav.money', items: [{ path: '/suspense', title: 'nav.suspense', icon: WalletIcon, permission: 'orders.read' }] },
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
