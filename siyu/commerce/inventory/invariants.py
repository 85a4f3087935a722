"""Truths of inventory: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "reserved is the sum of the living reservations": """
        select shop_id, sku_id, s.reserved, coalesce(r.quantity, 0) as kept
        from inventory.stock s
        left join (select shop_id, sku_id, sum(quantity) as quantity
                   from inventory.reservations group by 1, 2) r using (shop_id, sku_id)
        where s.reserved <> coalesce(r.quantity, 0)""",
    "on hand is the sum of the movements": """
        select shop_id, sku_id, s.on_hand, coalesce(m.delta, 0) as moved
        from inventory.stock s
        left join (select shop_id, sku_id, sum(delta) as delta
                   from inventory.movements group by 1, 2) m using (shop_id, sku_id)
        where s.on_hand <> coalesce(m.delta, 0)""",
    "what an order was sold is moved once": """
        select shop_id, sku_id, source, count(*) from inventory.movements
        where kind = 'sold' group by 1, 2, 3 having count(*) > 1""",
    "what came back was given up by somebody": """
        select shop_id, sku_id, movement_id from inventory.movements
        where kind = 'returned' and (source is null or delta < 0)""",
}
