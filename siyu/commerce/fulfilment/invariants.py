"""Truths of fulfilment: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "what was sent of a consignment is in its parcels, or was handed over": """
        select shop_id, consignment_id, line_no from fulfilment.consignment_lines l
        join fulfilment.consignments c using (shop_id, consignment_id)
        left join (
          select shop_id, consignment_id, line_no, sum(quantity) as quantity
          from fulfilment.parcel_lines group by 1, 2, 3) p
          using (shop_id, consignment_id, line_no)
        where l.sent < coalesce(p.quantity, 0)
           or (c.handed_over_at is null and l.sent <> coalesce(p.quantity, 0))""",
    "a consignment is open as long as something of it is left": """
        select shop_id, consignment_id from fulfilment.consignments c
        join fulfilment.consignment_lines l using (shop_id, consignment_id)
        group by shop_id, consignment_id, c.state
        having (sum(l.quantity - l.sent - l.cancelled) > 0) <> (c.state = 'open')
            or (sum(l.sent) = 0 and c.state = 'done')""",
    "a parcel goes to one member at one address": """
        select p.shop_id, p.parcel_id from fulfilment.parcels p
        join fulfilment.parcel_lines l using (shop_id, parcel_id)
        join fulfilment.consignments c using (shop_id, consignment_id)
        group by p.shop_id, p.parcel_id, p.receiver_id
        having count(distinct c.address_key) > 1 or bool_or(
          c.receiver_id <> p.receiver_id and c.receiver_home_id is null)""",
    "a parcel is not empty": """
        select shop_id, parcel_id from fulfilment.parcels p where not exists (
          select from fulfilment.parcel_lines l
          where l.shop_id = p.shop_id and l.parcel_id = p.parcel_id)""",
    "what was told to WeChat was told with a moment": """
        select shop_id, payment_id from fulfilment.uploads
        where told > 0 and uploaded_at is null""",
}
