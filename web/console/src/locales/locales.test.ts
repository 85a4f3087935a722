import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pages } from '@/router'
import { menu } from '@/layout/menu'
import { ENDS, OPEN } from '@/pages/commerce/after_sale/cases'
import en from './en'
import { i18n, word } from './index'
import zh from './zh-CN'

const paths = (words: object, before = ''): string[] =>
  Object.entries(words).flatMap(([key, value]) => (typeof value === 'object' ? paths(value, `${before}${key}.`) : `${before}${key}`))
const source = join(process.cwd(), 'src')
const files = (readdirSync(source, { recursive: true }) as string[]).filter((f) => /(?<!\.test)\.(vue|ts)$/.test(f) && !f.startsWith('api'))

describe('the two languages', () => {
  it('say the same things', () => {
    expect(paths(en).sort()).toEqual(paths(zh).sort())
  })
  it('ask for the same values', () => {
    const holes = (words: object): string[] =>
      paths(words).map((p) => `${p} ${(String(p.split('.').reduce<unknown>((w, k) => (w as Record<string, unknown>)[k], words)).match(/\{\w+\}/g) ?? []).sort()}`)
    expect(holes(en).sort()).toEqual(holes(zh).sort())
  })
  it('know every word that a page asks for', () => {
    const known = new Set(paths(zh))
    const asked = files.flatMap((f) => [...readFileSync(join(source, f), 'utf8').matchAll(/\bt\('([\w.]+)'[,)]/g)].map((m) => m[1] ?? ''))
    expect(asked.length).toBeGreaterThan(200)
    expect([...new Set(asked)].filter((key) => !known.has(key))).toEqual([])
  })
  it('name every page and menu entry', () => {
    const titles = [...pages.map((p) => p.meta?.title ?? ''), ...menu.flatMap((g) => [g.title, ...g.items.map((i) => i.title)])]
    expect(titles.filter((title) => !i18n.global.te(title))).toEqual([])
  })
  it('know every state that the back end has', () => {
    const schema = readFileSync(join(source, 'api', 'schema.d.ts'), 'utf8')
    const values = (name: string): string[] => [...(new RegExp(`^        ${name}: ((?:"[^"]+"(?: \\| )?)+);`, 'm').exec(schema)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map((m) => m[1] ?? '')
    const asked = {
      OrderStatus: 'orders.status', RefundStatus: 'orders.refundStates', RefundState: 'refunds.states', RefundOrigin: 'refunds.origins', ParkedState: 'suspense.states', ParkReason: 'suspense.reasons',
      PlanState: 'splits.plans', PartState: 'splits.states', Alarm: 'splits.alarms', Tie: 'splits.ties', ReceiverState: 'splits.receiverStates', ReceiverKind: 'splits.kinds', Relation: 'splits.relations', money_profit_sharing_contracts_Scope: 'splits.scopes', Way: 'splits.ways', Trigger: 'splits.triggers',
      PayoutState: 'payouts.states', AgreementState: 'payouts.agreementStates', LicenceKind: 'wallets.licences', CardKind: 'wallets.cards', SpendOrder: 'wallets.orders', TopUpState: 'wallets.topUpStates', AdjustmentState: 'wallets.adjustmentStates',
      ReviewState: 'reviews.states', TaskKind: 'bulk.kinds', TaskState: 'bulk.states', DayState: 'recon.states', LineKind: 'recon.kinds', Difference: 'recon.differences', TicketState: 'recon.ticketStates', Role: 'staff.roles',
    }
    for (const name of Object.keys(asked)) expect(values(name), name).not.toEqual([])
    expect(Object.entries(asked).flatMap(([name, words]) => values(name).map((v) => `${words}.${v}`)).filter((key) => !i18n.global.te(key))).toEqual([])
    for (const state of [...OPEN, ...ENDS]) expect(i18n.global.te(`afterSale.states.${state}`)).toBe(true)
  })
  it('show a value of the back end as it is when there is no word for it', () => {
    expect(word('stock.kinds.sold', 'sold')).toBe('售出')
    expect(word('stock.kinds.teleported', 'teleported')).toBe('teleported')
  })
})
