"""Truths of inventory: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "reserved is the sum of the living reservations": """
        select shop_id, sku_id, warehouse_id, s.reserved, coalesce(r.quantity, 0) as kept
        from inventory.stock s
        full join (select shop_id, sku_id, warehouse_id, sum(quantity) as quantity
                   from inventory.reservations group by 1, 2, 3) r
          using (shop_id, sku_id, warehouse_id)
        where s.reserved is distinct from coalesce(r.quantity, 0)""",
    "on hand is the sum of the movements": """
        select shop_id, sku_id, warehouse_id, s.on_hand, coalesce(m.delta, 0) as moved
        from inventory.stock s
        full join (select shop_id, sku_id, warehouse_id, sum(delta) as delta
                   from inventory.movements group by 1, 2, 3) m
          using (shop_id, sku_id, warehouse_id)
        where s.on_hand is distinct from coalesce(m.delta, 0)""",
    "what an order was sold is moved once": """
        select shop_id, sku_id, warehouse_id, source, count(*) from inventory.movements
        where kind = 'sold' group by 1, 2, 3, 4 having count(*) > 1""",
    "what came back was given up by somebody": """
        select shop_id, sku_id, movement_id from inventory.movements
        where kind = 'returned' and (source is null or delta < 0)""",
    "what leaves one warehouse arrives in another": """
        select shop_id, sku_id, movement_id from inventory.movements
        where kind = 'transferred' group by 1, 2, 3 having sum(delta) <> 0 or count(*) <> 2""",
    "a shop with stock has one default warehouse": """
        select i.shop_id from (select distinct shop_id from inventory.items) i
        where 1 <> (select count(*) from inventory.warehouses w
                    where w.shop_id = i.shop_id and w.is_default)""",
}
