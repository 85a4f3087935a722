"""Truths of payments: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "an order is paid by one attempt": """
        select shop_id, order_id from payments.attempts
        where state = 'paid' group by 1, 2 having count(*) > 1""",
    "parked attempts are the ones with money in suspense": """
        select shop_id, a.payment_id, s.parked_id
        from (select * from payments.attempts where state = 'parked') a
        full join (select * from payments.suspense where payment_id is not null) s
          using (shop_id, provider_number)
        where s.parked_id is null
           or (a.payment_id is null and not exists (
             select 1 from payments.attempts p
             where p.shop_id = s.shop_id and p.payment_id = s.payment_id and p.state = 'paid'))""",
    "money that came has WeChat's number, but for orders of 0 fen": """
        select shop_id, payment_id from payments.attempts
        where state in ('paid', 'parked')
          and (provider_number is null) <> (channel = 'internal')""",
    "one payment of WeChat is booked once": """
        select shop_id, provider_number from (
          select shop_id, provider_number from payments.attempts where state = 'paid'
          union all
          select shop_id, provider_number from payments.suspense) booked
        where provider_number is not null group by 1, 2 having count(*) > 1""",
}
