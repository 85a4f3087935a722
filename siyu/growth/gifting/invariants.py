"""Truths of gifting: each query returns no rows."""

INVARIANTS = {
    "a paid gift has a share for each piece, others have none": """
        select shop_id, gift_id from gifting.gifts g
        where (select count(*) from gifting.shares s
               where s.shop_id = g.shop_id and s.gift_id = g.gift_id)
          <> case standing when 'paid' then share_count else 0 end""",
    "a share is accepted within a day, by the database's clock": """
        select shop_id, gift_id, share_no from gifting.shares s
        join gifting.gifts g using (shop_id, gift_id)
        where s.accepted_at >= g.accept_before""",
    "what time took back had its day": """
        select shop_id, gift_id, share_no from gifting.shares s
        join gifting.gifts g using (shop_id, gift_id)
        where s.ended_by = 'time' and s.ended_at < g.accept_before""",
    "the giver has none of the own gift": """
        select shop_id, gift_id, share_no from gifting.shares s
        join gifting.gifts g using (shop_id, gift_id) where s.receiver_id = g.giver_id
          and s.receiver_home_id is null and g.giver_home_id is null""",
    "a refund counts its shares, and goes their way": """
        select r.shop_id, r.refund_id from gifting.refunds r
        left join gifting.shares s
          on s.shop_id = r.shop_id and r.refund_id in (s.refund_id, s.returned_id)
        group by r.shop_id, r.refund_id, r.quantity, r.state
        having count(s.share_no) <> r.quantity
          or bool_or(s.state <> 'accepted' and (s.state = 'refunded') <> (r.state = 'done'))
          or bool_or(s.state = 'expired' and r.state <> 'due')""",
    "what an accepted share gets is on its way": """
        select shop_id, gift_id, share_no from gifting.shares
        where state = 'accepted' and consignment_id is null""",
    "a recording is in the gift that plays it": """
        select g.shop_id, g.gift_id from gifting.gifts g
        join gifting.voices v using (shop_id, voice_id)
        where v.gift_id is distinct from g.gift_id""",
}
