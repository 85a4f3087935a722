"""Truths of payments: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "an order is paid by one attempt": """
        select shop_id, order_id from payments.attempts
        where state = 'paid' group by 1, 2 having count(*) > 1""",
    "parked attempts are the ones with money in suspense": """
        select shop_id, a.payment_id, s.parked_id
        from (select * from payments.attempts where state = 'parked') a
        full join (select * from payments.suspense where payment_id is not null
                     and resolution is distinct from 'accepted') s
          using (shop_id, provider_number)
        where s.parked_id is null
           or (a.payment_id is null and not exists (
             select 1 from payments.attempts p
             where p.shop_id = s.shop_id and p.payment_id = s.payment_id and p.state = 'paid'))""",
    "money that came through WeChat, and no other, has its number": """
        select shop_id, payment_id from payments.attempts
        where state in ('paid', 'parked')
          and (provider_number is null) <> (channel in ('internal', 'offline'))""",
    "one payment of WeChat is booked once": """
        select shop_id, provider_number from (
          select shop_id, provider_number from payments.attempts where state = 'paid'
          union all
          select shop_id, provider_number from payments.suspense
          where resolution is distinct from 'accepted') booked
        where provider_number is not null group by 1, 2 having count(*) > 1""",
    "what an attempt says was refunded is the sum of its refunds": """
        select shop_id, payment_id from payments.attempts a
        left join (select shop_id, payment_id, sum(amount_fen) as fen from payments.refunds
                   where parked_id is null and state <> 'closed' group by 1, 2) r
          using (shop_id, payment_id)
        where a.refunded_fen <> coalesce(r.fen, 0)""",
    "parked money on its way back has one refund, and none when it is not": """
        select s.shop_id, s.parked_id from payments.suspense s
        left join payments.refunds r on r.shop_id = s.shop_id and r.parked_id = s.parked_id
          and r.state <> 'closed'
        where (s.state = 'refunding'
                 and (r.state is null or r.state in ('succeeded', 'settled')))
           or (s.resolution = 'refunded' and r.state is distinct from 'succeeded'
                 and r.state is distinct from 'settled')
           or (s.state = 'parked' and r.state is not null)
           or (s.resolution <> 'refunded' and r.state is not null)""",
    "every payment of more than nothing stands in the ledger": """
        select shop_id, payment_id from payments.attempts a
        where state = 'paid' and channel <> 'internal' and not exists (
            select from ledger.entries e
            where e.shop_id = a.shop_id and e.key = 'payment:' || a.payment_id)
          and not exists (
            select from payments.suspense s join ledger.entries e
              on e.shop_id = s.shop_id and e.key = 'parked_accepted:' || s.parked_id
            where s.shop_id = a.shop_id and s.payment_id = a.payment_id)""",
    "every refund stands in the ledger as far as it has come": """
        select shop_id, refund_id from payments.refunds r
        where not exists (
            select from ledger.entries e
            where e.shop_id = r.shop_id and e.key = 'refund_due:' || r.refund_id)
          or (ended_at is not null) <> exists (
            select from ledger.entries e
            where e.shop_id = r.shop_id and e.key = case r.state
                when 'settled' then 'refund_outside:'
                when 'closed' then 'refund_closed:' else 'refund:' end || r.refund_id)""",
    "the ledger owes exactly the refunds that have not ended": """
        select shop_id from (
          select shop_id, units from ledger.legs where book = 'refund_due'
          union all
          select shop_id, amount_fen from payments.refunds where ended_at is null) together
        group by 1 having sum(units) <> 0""",
    "the ledger's suspense is exactly the money that is parked": """
        select shop_id, asset from (
          select shop_id, asset, units from ledger.legs where book = 'suspense'
          union all
          select shop_id, currency, amount_fen from payments.suspense
          where state = 'parked' and is_booked) together
        group by 1, 2 having sum(units) <> 0""",
}
