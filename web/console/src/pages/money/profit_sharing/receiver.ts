import type { Item } from '@/api/types'
import { nameOf } from '@/components/names'

/** What a receiver is called: the member's nickname, else the masked name, else the account. Reactive while names arrive. */
export function receiverOf(receiver: Pick<Item<'/admin/v1/split-receivers'>, 'member_id' | 'name_masked' | 'account'>): string {
  const member = receiver.member_id ? nameOf(receiver.member_id) : null
  return member?.nickname || receiver.name_masked || receiver.account
}
