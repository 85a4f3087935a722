// What may be done about money that stopped; the back end refuses the rest.
import type { components } from '@/api/schema'
import type { Body, Item } from '@/api/types'

type Schemas = components['schemas']
export type Way = 'retry' | 'apply-abnormal' | 'settle-outside' | 'give-up'

/** WeChat gave the money to the merchant's own card: only the payer's cash is left to settle. */
const AT_MERCHANT = 'AT_MERCHANT'

export function waysOf(state: Schemas['RefundState'], problem: string | null): Way[] {
  if (state === 'counter') return ['settle-outside', 'give-up']
  if (state === 'failed') return problem === AT_MERCHANT ? ['settle-outside'] : ['retry', 'settle-outside', 'give-up']
  if (state !== 'abnormal') return []
  return problem === AT_MERCHANT ? ['settle-outside'] : ['apply-abnormal', 'retry', 'settle-outside']
}

/** Codes of WeChat for the banks most people use; any other may be typed. */
export const BANKS = ['ICBC_DEBIT', 'CCB_DEBIT', 'ABC_DEBIT', 'BOC_DEBIT', 'COMM_DEBIT', 'CMB_DEBIT', 'PSBC_DEBIT', 'CITIC_DEBIT', 'CEB_DEBIT', 'SPDB_DEBIT', 'CIB_DEBIT', 'PAB_DEBIT']

export const isCard = (card: { real_name: string; bank_type: string; bank_account: string }): boolean =>
  !!card.real_name.trim() && /^[A-Z0-9_]{1,32}$/.test(card.bank_type) && /^\d{8,30}$/.test(card.bank_account)

/** What a person may decide about parked money. */
export function decisionsOf(row: Pick<Item<'/admin/v1/suspense'>, 'state' | 'ticket'>): Body<'/admin/v1/suspense/{parked_id}/resolve'>['decision'][] {
  if (row.state !== 'parked') return []
  if (row.ticket === 'foreign_account') return ['dismiss']
  return row.ticket === 'foreign_currency' || row.ticket === 'too_old' ? ['accept'] : ['refund', 'accept']
}
